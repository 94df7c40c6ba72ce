/* Conditions and updates: every operator, every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "workers/store/dynamodb_expression.h"
#include "workers/store/dynamodb_value.h"

static json_t *parse(const char *text)
{
    char *copy = xstrdup(text);
    char why[256];
    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    json_t *out = json_loads(copy, 0, NULL);
    assert_non_null(out);
    assert_true(dynamodb_item_check(out, why, sizeof(why)));
    free(copy);
    return out;
}

#define ITEM                                                                                       \
    "{'id':{'S':'x'},'n':{'N':'10'},'neg':{'N':'-2'},'s':{'S':'abc'},'b':{'B':'+w=='},"            \
    "'t':{'BOOL':true},'z':{'NULL':true},'l':{'L':[{'N':'1'}]},'state':{'S':'open'}}"
#define VALUES                                                                                     \
    "{':nine':{'N':'9'},':ten':{'N':'10.0'},':s':{'S':'abc'},':ab':{'S':'ab'},':abd':{'S':'abd'}," \
    "':b':{'B':'AA=='},':true':{'BOOL':true},':l':{'L':[{'N':'1.0'}]},':typeN':{'S':'N'},"         \
    "':zero':{'N':'0'},':one':{'N':'1'},':open':{'S':'open'}}"

static enum dynamodb_outcome condition(const char *text, char why_out[320])
{
    json_t *item = parse(ITEM);
    json_t *values = parse(VALUES);
    json_t *names = json_pack("{s:s, s:s}", "#n", "n", "#gone", "gone");
    struct dynamodb_names n;
    dynamodb_names_init(&n, names, values);
    enum dynamodb_outcome outcome = dynamodb_condition(text, &n, item);
    memcpy(why_out, n.why, sizeof(n.why));
    dynamodb_names_clear(&n);
    json_decref(names);
    json_decref(values);
    json_decref(item);
    return outcome;
}

static void all(const char *const *texts, enum dynamodb_outcome expected)
{
    for (; *texts; texts++) {
        char why[320];
        enum dynamodb_outcome outcome = condition(*texts, why);
        if (outcome != expected)
            print_error("%s: %d %s\n", *texts, outcome, why);
        assert_int_equal(outcome, expected);
        if (expected == DYNAMODB_MALFORMED)
            assert_int_equal(strncmp(why, "Invalid ConditionExpression: ", 29), 0);
    }
}

static void test_conditions_that_hold(void **state)
{
    static const char *const texts[] = {
        "n = :ten",
        "#n=:ten",
        ":ten = n",
        "n <> :nine",
        "n > :nine",
        "n >= :ten",
        "n<=:ten",
        ":nine < n",
        "neg < :zero",
        "s = :s",
        "s < :abd",
        "b > :b", /* bytes, not base64 */
        "t = :true",
        "l = :l",
        "s <> :ten",    /* other types differ */
        "gone <> :ten", /* what is not there differs */
        "attribute_exists(n)",
        "attribute_exists ( #n )",
        "attribute_not_exists(gone)",
        "attribute_not_exists(#gone)",
        "attribute_type(n, :typeN)",
        "begins_with(s, :ab)",
        "begins_with(s, :s)",
        "n BETWEEN :nine AND :ten",
        "n between :zero and :ten AND t = :true",
        "n IN (:nine, :ten)",
        "NOT n = :nine",
        "NOT (n = :nine) AND NOT attribute_exists(gone)",
        "n = :nine OR s = :s",
        "(n = :nine OR s = :s) AND t = :true",
        "n = :ten OR n = :nine AND s = :abd", /* AND binds tighter */
        "((((n = :ten))))",
        "attribute_not_exists(gone) AND n = :ten\n\tAND\rs=:s",
        "not not n = :ten",
        NULL,
    };
    (void)state;
    all(texts, DYNAMODB_HOLDS);
}

static void test_conditions_that_fail(void **state)
{
    static const char *const texts[] = {
        "n = :nine",
        "n < :nine",
        "n > :s", /* no order between types */
        "n < :s",
        "t < :true",
        "gone = :ten",
        "gone < :ten",
        "gone >= gone",
        "attribute_exists(gone)",
        "attribute_not_exists(n)",
        "attribute_type(s, :typeN)",
        "attribute_type(gone, :typeN)",
        "begins_with(s, :abd)",
        "begins_with(n, :ab)",
        "begins_with(gone, :ab)",
        "n BETWEEN :zero AND :nine",
        "gone BETWEEN :zero AND :nine",
        "n IN (:nine)",
        "NOT n = :ten",
        "(n = :ten OR s = :s) AND t = s",
        NULL,
    };
    (void)state;
    all(texts, DYNAMODB_FAILS);
}

static void test_conditions_that_are_none(void **state)
{
    static const char *const texts[] = {
        "",
        "   ",
        "n",
        "n =",
        "= n",
        "n = :ten AND",
        "n = :ten OR OR n = :ten",
        "n = :ten n = :ten",
        "(n = :ten",
        "n = :ten)",
        "NOT",
        "n == :ten",
        "n = : ten",
        "n = #",
        "n = :undefined",
        "#undefined = :ten",
        "n + :ten = :ten",
        "n = 10",
        "n.x = :ten",
        "l[0] = :ten",
        "attribute_exists(n",
        "attribute_exists n",
        "attribute_exists()",
        "attribute_exists(:ten)",
        "begins_with(s)",
        "begins_with(s :ab)",
        "size(s) > :ten",
        "n BETWEEN :zero",
        "n BETWEEN :zero OR :ten",
        "n IN ()",
        "n IN :ten",
        "n IN (:ten",
        "n = :ten;",
        "n = \xc3\xa9",
        NULL,
    };
    (void)state;
    all(texts, DYNAMODB_MALFORMED);
    char why[320];
    char *deep = xcalloc(1, 5000);
    memset(deep, '(', 4000);
    assert_int_equal(condition(deep, why), DYNAMODB_MALFORMED);
    memset(deep, 'a', 4500);
    assert_int_equal(condition(deep, why), DYNAMODB_MALFORMED);
    for (int i = 0; i < 1000; i++)
        memcpy(deep + 4 * i, "NOT ", 4);
    deep[4000] = '\0';
    assert_int_equal(condition(deep, why), DYNAMODB_MALFORMED);
    free(deep);
}

/* The item after the update is ITEM with these members changed ("gone": null). */
static enum dynamodb_outcome update(const char *text, const char *changes, char why_out[320])
{
    json_t *item = parse(ITEM);
    json_t *before = json_deep_copy(item);
    json_t *values = parse(VALUES);
    json_t *names = json_pack("{s:s, s:s}", "#n", "n", "#gone", "gone");
    json_t *touched = NULL;
    struct dynamodb_names n;
    dynamodb_names_init(&n, names, values);
    enum dynamodb_outcome outcome = dynamodb_update(text, &n, "id", item, &touched);
    memcpy(why_out, n.why, sizeof(n.why));
    if (changes) {
        char *copy = xstrdup(changes);
        for (char *p = copy; *p; p++)
            if (*p == '\'')
                *p = '"';
        json_t *wanted = json_loads(copy, 0, NULL);
        const char *name;
        json_t *value;
        assert_non_null(wanted);
        json_object_foreach(wanted, name, value)
        {
            assert_non_null(json_object_get(touched, name));
            if (json_is_null(value))
                json_object_del(before, name);
            else
                json_object_set(before, name, value);
        }
        json_decref(wanted);
        free(copy);
    }
    if (!json_equal(item, before)) {
        char *got = json_dumps(item, 0);
        print_error("%s: %s\n", text, got);
        free(got);
    }
    assert_true(json_equal(item, before));
    dynamodb_names_clear(&n);
    json_decref(touched);
    json_decref(names);
    json_decref(values);
    json_decref(before);
    json_decref(item);
    return outcome;
}

static void test_updates(void **state)
{
    static const char *const cases[][2] = {
        {"SET a = :s", "{'a':{'S':'abc'}}"},
        {"set n = n + :one", "{'n':{'N':'11'}}"},
        {"SET #n = #n - :nine , a = #n", "{'n':{'N':'1'},'a':{'N':'10'}}"}, /* the old n */
        {"SET n=neg+n", "{'n':{'N':'8'}}"},
        {"SET a = if_not_exists(a, :zero) + :one", "{'a':{'N':'1'}}"},
        {"SET n = if_not_exists(n, :zero) + :one", "{'n':{'N':'11'}}"},
        {"SET n = :one + if_not_exists(gone, if_not_exists(neg, :one))", "{'n':{'N':'-1'}}"},
        {"SET n = if_not_exists(n, gone)", "{'n':{'N':'10'}}"},
        {"SET a = l", "{'a':{'L':[{'N':'1'}]}}"},
        {"REMOVE s", "{'s':null}"},
        {"REMOVE s, #n, #gone", "{'s':null,'n':null,'gone':null}"},
        {"SET a = s REMOVE s", "{'a':{'S':'abc'},'s':null}"},
        {"REMOVE s SET a = s", "{'a':{'S':'abc'},'s':null}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[320];
        assert_int_equal(update(cases[i][0], cases[i][1], why), DYNAMODB_HOLDS);
    }
}

static void test_updates_that_do_not_fit(void **state)
{
    static const char *const texts[] = {
        "SET a = gone",
        "SET a = gone + :one",
        "SET a = s + :one",
        "SET a = :one - t",
        "SET a = if_not_exists(gone, gone)",
        "SET b = :one, a = gone",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char why[320];
        assert_int_equal(update(texts[i], NULL, why), DYNAMODB_UNFIT);
        assert_true(strlen(why) > 0);
    }
}

static void test_updates_that_are_none(void **state)
{
    static const char *const texts[] = {
        "",
        "SET",
        "a = :s",
        "SET a",
        "SET a =",
        "SET a = :s,",
        "SET a = :s b = :s",
        "SET a = :s SET b = :s",
        "REMOVE",
        "REMOVE a,",
        "REMOVE a REMOVE b",
        "REMOVE :s",
        "ADD n :one",
        "DELETE n :one",
        "SET a = :s, a = :s",
        "SET a = :s REMOVE a",
        "SET id = :s",
        "REMOVE id",
        "SET a.b = :s",
        "SET a[0] = :s",
        "SET a = :undefined",
        "SET #undefined = :s",
        "SET a = if_not_exists(:s, :s)",
        "SET a = if_not_exists(n)",
        "SET a = if_not_exists(n, :s",
        "SET a = :one + ",
        "SET a = :one + :one + :one",
        "SET a = gone b",
        "SET a = list_append(l, l)",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char why[320];
        enum dynamodb_outcome outcome = update(texts[i], NULL, why);
        if (outcome != DYNAMODB_MALFORMED)
            print_error("%s: %d\n", texts[i], outcome);
        assert_int_equal(outcome, DYNAMODB_MALFORMED);
        assert_int_equal(strncmp(why, "Invalid UpdateExpression: ", 26), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions_that_hold),
        cmocka_unit_test(test_conditions_that_fail),
        cmocka_unit_test(test_conditions_that_are_none),
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_updates_that_do_not_fit),
        cmocka_unit_test(test_updates_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
