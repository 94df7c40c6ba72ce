#include "common/conf/conf_keys.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/fdio.h"
#include "common/conf/conf.h"
#include "common/conf/conf_text.h"

static void every_key_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < conf_keys_count(); i++) {
        const struct conf_key *key = conf_keys_at(i);
        assert_ptr_equal(conf_keys_find(key->path), key); /* no path twice */
        assert_non_null(key->doc);
        assert_true(strlen(key->doc) > 3);
        assert_true(key->min <= key->max);
        assert_int_equal(key->type == CONF_WORD, key->words != NULL);
        if (key->type == CONF_INT)
            assert_true(key->max > key->min);
        if (key->key_format)
            assert_true(key->type == CONF_MAP || key->type == CONF_CHOICES);
    }
}

static void every_default_is_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < conf_keys_count(); i++) {
        const struct conf_key *key = conf_keys_at(i);
        if (!key->fallback)
            continue;
        json_t *value = json_loads(key->fallback, JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        if (key->type == CONF_INT)
            assert_in_range(json_integer_value(value), key->min, key->max);
        else if (key->type == CONF_WORD)
            assert_true(conf_keys_has_word(key->words, json_string_value(value)));
        else if (key->type == CONF_BOOL)
            assert_true(json_is_boolean(value));
        else if (key->type == CONF_UIDS || key->type == CONF_TOKENS)
            assert_int_equal(json_array_size(value), 0);
        else
            assert_false(json_is_integer(value));
        json_decref(value);
    }
}

/* conf_keys_next tells members apart by neighbours, so the keys of one object stand together. */
static void members_stand_together(void **state)
{
    (void)state;
    static const char *const objects[] = {"",
                                          "log",
                                          "ingest",
                                          "retry",
                                          "ledger",
                                          "dead_letters",
                                          "aws",
                                          "sources.*.dead_letter",
                                          "sources",
                                          "sources.*",
                                          "sources.*.verify",
                                          "queues",
                                          "sources.*.retry",
                                          "sources.*.check",
                                          "sources.*.acknowledge",
                                          "oauth.*",
                                          "destinations.*"};
    for (size_t o = 0; o < sizeof(objects) / sizeof(objects[0]); o++) {
        char names[64][CONF_KEYS_NAME_BYTES];
        size_t count = 0, i = 0;
        while (conf_keys_next(objects[o], &i, names[count]))
            count++;
        assert_true(count > 0);
        for (size_t a = 0; a < count; a++)
            for (size_t b = 0; b < a; b++)
                assert_string_not_equal(names[a], names[b]);
    }
    size_t i = 0;
    char name[CONF_KEYS_NAME_BYTES];
    assert_false(conf_keys_next("sources.*.path", &i, name));
    assert_false(conf_keys_next("nothing", &i, name));
}

static void words(void **state)
{
    (void)state;
    assert_true(conf_keys_has_word("a|bc|d", "a"));
    assert_true(conf_keys_has_word("a|bc|d", "bc"));
    assert_true(conf_keys_has_word("a|bc|d", "d"));
    assert_false(conf_keys_has_word("a|bc|d", "b"));
    assert_false(conf_keys_has_word("a|bc|d", "a|bc"));
    assert_false(conf_keys_has_word("a|bc|d", ""));
    assert_false(conf_keys_has_word("a", "ab"));
}

static void presets_name_keys_of_the_table(void **state)
{
    (void)state;
    static const char *const names[] = {"generic", "genesys-outbound", "cxone-data-actions"};
    const struct conf_key *key = conf_keys_find("sources.*.preset");
    for (size_t i = 0; i < 3; i++) {
        assert_true(conf_keys_has_word(key->words, names[i]));
        json_t *preset = json_loads(conf_keys_preset(names[i]), 0, NULL);
        assert_non_null(preset);
        const char *member;
        json_t *value;
        json_object_foreach(preset, member, value)
        {
            char path[128];
            snprintf(path, sizeof(path), "sources.*.%s", member);
            size_t at = 0;
            char name[CONF_KEYS_NAME_BYTES];
            assert_true(conf_keys_find(path) || conf_keys_next(path, &at, name));
        }
        json_decref(preset);
    }
    assert_null(conf_keys_preset("other"));
}

/* Whether a written example holds the key somewhere ("*" is any name). */
static bool shows(const json_t *written, const char *path)
{
    size_t len = strcspn(path, ".");
    const char *rest = path + len + (path[len] == '.');
    if (strncmp(path, "*.", 2) != 0) {
        json_t *value = json_object_getn(written, path, len);
        return value && (!*rest || shows(value, rest));
    }
    const char *name;
    json_t *one;
    json_object_foreach((json_t *)written, name, one)
    {
        if (shows(one, rest))
            return true;
    }
    return false;
}

static void the_example_shows_every_key(void **state)
{
    (void)state;
    struct buf text = {0};
    assert_int_equal(fdio_read_file("etc/sluice.json", 1 << 20, &text), 0);
    assert_int_equal(conf_text_strip_comments(text.data, text.len), 0);
    json_t *written = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(written);
    for (size_t i = 0; i < conf_keys_count(); i++)
        if (!shows(written, conf_keys_at(i)->path))
            fail_msg("etc/sluice.json does not show %s", conf_keys_at(i)->path);
    json_decref(written);
    buf_free(&text);
}

static void the_example_is_good(void **state)
{
    (void)state;
    struct conf_errors errors;
    json_t *conf = conf_load("etc/sluice.json", NULL, &errors);
    for (size_t i = 0; i < errors.count; i++)
        print_error("%s: %s\n", errors.list[i].path, errors.list[i].message);
    assert_non_null(conf);
    assert_string_equal(conf_str(conf, "sources.cxone.path"), "/webhook/cxone-data-actions");
    json_decref(conf);
    conf_errors_free(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_whole),
        cmocka_unit_test(every_default_is_good),
        cmocka_unit_test(members_stand_together),
        cmocka_unit_test(words),
        cmocka_unit_test(presets_name_keys_of_the_table),
        cmocka_unit_test(the_example_shows_every_key),
        cmocka_unit_test(the_example_is_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
