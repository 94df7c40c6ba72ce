#!/usr/bin/env bash
# The trial's destination: what a business program of yours would be. Sluice runs it once an attempt:
# the event's body on stdin, what it is in SLUICE_* variables; exit status 0 delivered, 65 never,
# anything else again later.
#
#   destination.sh DIRECTORY
#
# A body with "sample":"fail N times" is refused that many times, "sample":"fail always" each time,
# "sample":"refuse" for good. Everything else is appended to DIRECTORY/SOURCE.jsonl.
set -euo pipefail
directory=$1
body=$(mktemp)
trap 'rm -f "$body" "$body.64"' EXIT
cat >"$body"

if sample=$(grep -aoE -m1 '"sample": ?"[a-z0-9 ]*"' "$body"); then
    sample=${sample#*:}
    sample=${sample//\"/}
    case ${sample# } in
    refuse)
        echo "this event is refused for good" >&2
        exit 65
        ;;
    'fail always')
        echo "not now, and not later either (attempt $SLUICE_ATTEMPT)" >&2
        exit 75
        ;;
    'fail '[1-9]' times')
        times=${sample//[!0-9]/}
        if [ "$SLUICE_ATTEMPT" -le "$times" ]; then
            echo "not now (attempt $SLUICE_ATTEMPT)" >&2
            exit 75
        fi
        ;;
    esac
fi

mkdir -p "$directory"
# The exact bytes beside the text, which shows only what is UTF-8.
base64 -w0 <"$body" >"$body.64"
line=$(jq -cn --rawfile body "$body" --rawfile base64 "$body.64" \
    '{trace_id: env.SLUICE_TRACE, source: env.SLUICE_SOURCE, event_id: env.SLUICE_EVENT_ID,
      attempt: (env.SLUICE_ATTEMPT | tonumber), received_at: env.SLUICE_RECEIVED_AT,
      content_type: env.SLUICE_CONTENT_TYPE, body: $body, body_base64: $base64}')
# Several run at once; one line at a time.
exec 9>>"$directory/$SLUICE_SOURCE.jsonl"
flock 9
printf '%s\n' "$line" >&9
