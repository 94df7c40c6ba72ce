// sluicectl check. Where the machine stood still its calls may have timed out: then, and only then, it is asked
// again, so that a wrong first answer is not taken for a slow one.
import { runProgram } from './service.mjs';
import { slow, until } from './wait.mjs';

export const checkOnce = async (s, ...more) => {
    const said = await runProgram('sluicectl', ['-c', s.confFile, ...more, 'check'], { timeoutMs: 60_000 * slow });
    return { ...said, text: said.stdout + said.stderr };
};

export const check = (s, ...more) => until('a check of which no call times out', async () => {
    const said = await checkOnce(s, ...more);
    return !/timed? ?out|in time/i.test(said.text) && said;
});
