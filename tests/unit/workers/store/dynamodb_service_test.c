/* Every DynamoDB operation and refusal, without HTTP, on an injected clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>

#include "common/base/crc32.h"
#include "tests/unit/workers/store/service_world.h"
#include "workers/store/dynamodb_service.h"

struct fixture {
    struct world w;
    struct dynamodb_service *service;
    json_t *answer; /* of the last call */
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    f->service = dynamodb_service_new();
    world_open(&f->w, dynamodb_service_table(f->service));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    json_decref(f->answer);
    world_close(&f->w);
    dynamodb_service_free(f->service);
    free(f);
    return 0;
}

/* JSON with ' for ". */
static json_t *parse(const char *text)
{
    char *copy = xstrdup(text);
    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    json_t *out = json_loads(copy, 0, NULL);
    if (!out)
        print_error("not JSON: %s\n", copy);
    assert_non_null(out);
    free(copy);
    return out;
}

static void call(struct fixture *f, const char *operation, const char *input)
{
    struct service_call c = {.operation = xstrdup(operation), .input = parse(input)};
    world_run(&f->w, &c);
    char crc[16];
    snprintf(crc, sizeof(crc), "%" PRIu32, crc32_of(f->w.answer.body, f->w.answer.body_len));
    if (f->w.answer.status != 503)
        assert_string_equal(world_header(&f->w, "x-amz-crc32"), crc);
    json_decref(f->answer);
    f->answer = json_loads(f->w.answer.body, 0, NULL);
    assert_true(json_is_object(f->answer));
}

/* The answer is 200 with this body (NULL: any). */
static void ok(struct fixture *f, const char *operation, const char *input, const char *expected)
{
    call(f, operation, input);
    if (f->w.answer.status != 200)
        print_error("%s %s: %s\n", operation, input, f->w.answer.body);
    assert_int_equal(f->w.answer.status, 200);
    if (!expected)
        return;
    json_t *wanted = parse(expected);
    if (!json_equal(wanted, f->answer))
        print_error("%s %s: %s\n", operation, input, f->w.answer.body);
    assert_true(json_equal(wanted, f->answer));
    json_decref(wanted);
}

/* The answer is a 400 of that type whose message holds text. */
static void refused(struct fixture *f, const char *operation, const char *input, const char *type,
                    const char *text)
{
    char full[120];
    call(f, operation, input);
    snprintf(full, sizeof(full), "com.amazonaws.dynamodb.v20120810#%s", type);
    if (f->w.answer.status != 400 || !strstr(f->w.answer.body, text) ||
        !strstr(f->w.answer.body, type))
        print_error("%s %s: %d %s\n", operation, input, f->w.answer.status, f->w.answer.body);
    assert_int_equal(f->w.answer.status, 400);
    assert_string_equal(json_string_value(json_object_get(f->answer, "__type")), full);
    assert_non_null(strstr(json_string_value(json_object_get(f->answer, "message")), text));
}

#define TABLE                                                                                      \
    "{'TableName':'tbl','KeySchema':[{'AttributeName':'id','KeyType':'HASH'}],"                    \
    "'AttributeDefinitions':[{'AttributeName':'id','AttributeType':'S'}],"                         \
    "'BillingMode':'PAY_PER_REQUEST'}"
#define GET "{'TableName':'tbl','Key':{'id':{'S':'a'}},'ConsistentRead':true}"
#define UPDATE "{'TableName':'tbl','Key':{'id':{'S':'a'}},"

static int set_up_table(void **state)
{
    set_up(state);
    ok(*state, "CreateTable", TABLE, NULL);
    return 0;
}

static void put(struct fixture *f, const char *item)
{
    char *input = xasprintf("{'TableName':'tbl','Item':%s}", item);
    ok(f, "PutItem", input, "{}");
    free(input);
}

static void test_tables(void **state)
{
    struct fixture *f = *state;
    refused(f, "DescribeTable", "{'TableName':'ttt'}", "ResourceNotFoundException",
            "ttt not found");
    ok(f, "CreateTable",
       "{'TableName':'ttt','KeySchema':[{'AttributeName':'id','KeyType':'HASH'}],"
       "'AttributeDefinitions':[{'AttributeName':'id','AttributeType':'S'}]}",
       NULL);
    ok(f, "DescribeTable", "{'TableName':'ttt'}", NULL);
    json_t *table = json_object_get(f->answer, "Table");
    assert_string_equal(json_string_value(json_object_get(table, "TableStatus")), "ACTIVE");
    assert_true(json_is_real(json_object_get(table, "CreationDateTime")));
    refused(f, "CreateTable",
            "{'TableName':'ttt','KeySchema':[{'AttributeName':'x','KeyType':'HASH'}],"
            "'AttributeDefinitions':[{'AttributeName':'x','AttributeType':'S'}]}",
            "ResourceInUseException", "already exists");
    refused(f, "CreateTable",
            "{'TableName':'uuu','KeySchema':[{'AttributeName':'x','KeyType':'HASH'}],"
            "'AttributeDefinitions':[{'AttributeName':'x','AttributeType':'N'}]}",
            "ValidationException", "HASH key of type S");
    refused(f, "CreateTable", "{'TableName':'t!x'}", "ValidationException", "TableName");
    refused(f, "CreateTable", "{'TableName':7}", "ValidationException", "TableName");
    refused(f, "GetItem", "{'TableName':'nono','Key':{'id':{'S':'a'}}}",
            "ResourceNotFoundException", "not found");
    refused(f, "Scan", "{'TableName':'ttt'}", "UnknownOperationException", "Scan");
    f->w.full = true;
    call(f, "CreateTable",
         "{'TableName':'vvv','KeySchema':[{'AttributeName':'id','KeyType':'HASH'}],"
         "'AttributeDefinitions':[{'AttributeName':'id','AttributeType':'S'}]}");
    assert_int_equal(f->w.answer.status, 503);
    assert_true(f->w.answer.retry_after_s > 0);
}

static void test_put_get_delete(void **state)
{
    struct fixture *f = *state;
    ok(f, "GetItem", GET, "{}");
    put(f, "{'id':{'S':'a'},'n':{'N':'01.50'},'b':{'B':'aGk='},'t':{'BOOL':true},"
           "'z':{'NULL':true},'l':{'L':[{'S':'x'},{'N':'1e2'}]},'m':{'M':{'k':{'S':'v'}}}}");
    ok(f, "GetItem", GET,
       "{'Item':{'id':{'S':'a'},'n':{'N':'1.5'},'b':{'B':'aGk='},'t':{'BOOL':true},"
       "'z':{'NULL':true},'l':{'L':[{'S':'x'},{'N':'100'}]},'m':{'M':{'k':{'S':'v'}}}}}");
    ok(f, "PutItem",
       "{'TableName':'tbl','Item':{'id':{'S':'a'},'x':{'S':'2'}},'ReturnValues':'ALL_OLD',"
       "'ConditionExpression':'attribute_exists(z)'}",
       NULL);
    assert_non_null(json_object_get(json_object_get(f->answer, "Attributes"), "m"));
    refused(f, "PutItem",
            "{'TableName':'tbl','Item':{'id':{'S':'a'}},"
            "'ConditionExpression':'attribute_not_exists(id)'}",
            "ConditionalCheckFailedException", "conditional request failed");
    assert_null(json_object_get(f->answer, "Item"));
    refused(f, "PutItem",
            "{'TableName':'tbl','Item':{'id':{'S':'a'}},"
            "'ConditionExpression':'attribute_not_exists(id)',"
            "'ReturnValuesOnConditionCheckFailure':'ALL_OLD'}",
            "ConditionalCheckFailedException", "conditional request failed");
    json_t *item = parse("{'id':{'S':'a'},'x':{'S':'2'}}");
    assert_true(json_equal(json_object_get(f->answer, "Item"), item));
    json_decref(item);
    refused(f, "DeleteItem",
            UPDATE "'ConditionExpression':'x = :v',"
                   "'ExpressionAttributeValues':{':v':{'S':'3'}}}",
            "ConditionalCheckFailedException", "failed");
    ok(f, "DeleteItem", UPDATE "'ReturnValues':'ALL_OLD'}",
       "{'Attributes':{'id':{'S':'a'},'x':{'S':'2'}}}");
    ok(f, "DeleteItem", UPDATE "'ReturnValues':'ALL_OLD'}", "{}");
    ok(f, "GetItem", GET, "{}");
    struct dynamodb_counts c = dynamodb_service_counts(f->service);
    assert_int_equal(c.item_reads, 3);
    assert_int_equal(c.item_writes, 4);
    assert_int_equal(c.conditions_failed, 3);
}

static void test_keys(void **state)
{
    struct fixture *f = *state;
    refused(f, "GetItem", "{'TableName':'tbl','Key':{}}", "ValidationException", "key element");
    refused(f, "GetItem", "{'TableName':'tbl','Key':{'x':{'S':'a'}}}", "ValidationException",
            "key element");
    refused(f, "GetItem", "{'TableName':'tbl','Key':{'id':{'N':'1'}}}", "ValidationException",
            "Type mismatch");
    refused(f, "GetItem", "{'TableName':'tbl','Key':{'id':{'S':''}}}", "ValidationException",
            "1 to 2048");
    refused(f, "PutItem", "{'TableName':'tbl','Item':{'x':{'S':'1'}}}", "ValidationException",
            "Missing the key id");
    refused(f, "GetItem", "{'TableName':'tbl','Key':{'id':{'S':'a'}},'AttributesToGet':['x']}",
            "ValidationException", "AttributesToGet");
    char *long_key = xcalloc(1, 2200);
    memset(long_key, 'k', 2049);
    char *input = xasprintf("{'TableName':'tbl','Key':{'id':{'S':'%s'}}}", long_key);
    refused(f, "GetItem", input, "ValidationException", "2048");
    free(input);
    free(long_key);
}

static void test_values(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "{'N':'x'}",
        "{'N':5}",
        "{'S':5}",
        "{}",
        "{'S':'a','N':'1'}",
        "{'B':'%%%'}",
        "{'BOOL':'true'}",
        "{'NULL':false}",
        "{'SS':['a']}",
        "{'L':{}}",
        "{'M':[]}",
        "{'L':[{'Q':'1'}]}",
        "{'M':{'':{'S':'x'}}}",
        "'text'",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *input = xasprintf("{'TableName':'tbl','Item':{'id':{'S':'a'},'v':%s}}", bad[i]);
        refused(f, "PutItem", input, "ValidationException", "");
        free(input);
    }
    char *deep = xstrdup("{'S':'x'}");
    for (int i = 0; i < 40; i++) {
        char *more = xasprintf("{'L':[%s]}", deep);
        free(deep);
        deep = more;
        char *input = xasprintf("{'TableName':'tbl','Item':{'id':{'S':'a'},'v':%s}}", deep);
        call(f, "PutItem", input);
        assert_int_equal(f->w.answer.status, i < 32 ? 200 : 400);
        free(input);
    }
    free(deep);
    char *big = xcalloc(1, (400 * 1024) + 1);
    memset(big, 'x', (400 * 1024));
    char *input = xasprintf("{'TableName':'tbl','Item':{'id':{'S':'a'},'v':{'S':'%s'}}}", big);
    refused(f, "PutItem", input, "ValidationException", "Item size");
    free(input);
    big[(400 * 1024) - 100] = '\0';
    input = xasprintf("{'TableName':'tbl','Item':{'id':{'S':'a'},'v':{'S':'%s'}}}", big);
    ok(f, "PutItem", input, "{}");
    free(input);
    free(big);
}

static void test_update(void **state)
{
    struct fixture *f = *state;
    ok(f, "UpdateItem",
       UPDATE "'UpdateExpression':'SET n = if_not_exists(n, :zero) + :one, #s = :open',"
              "'ExpressionAttributeNames':{'#s':'state'},"
              "'ExpressionAttributeValues':{':zero':{'N':'0'},':one':{'N':'1'},':open':{'S':'open'}"
              "},'ReturnValues':'ALL_NEW'}",
       "{'Attributes':{'id':{'S':'a'},'n':{'N':'1'},'state':{'S':'open'}}}");
    ok(f, "UpdateItem",
       UPDATE "'UpdateExpression':'SET n = n - :two, copy = #s REMOVE #s',"
              "'ExpressionAttributeNames':{'#s':'state'},"
              "'ExpressionAttributeValues':{':two':{'N':'2.5'}},'ReturnValues':'UPDATED_NEW'}",
       "{'Attributes':{'n':{'N':'-1.5'},'copy':{'S':'open'}}}");
    ok(f, "UpdateItem",
       UPDATE "'UpdateExpression':'remove copy, nothing set m = :m','ReturnValues':'UPDATED_OLD',"
              "'ExpressionAttributeValues':{':m':{'M':{}}}}",
       "{'Attributes':{'copy':{'S':'open'}}}");
    ok(f, "UpdateItem", UPDATE "'ReturnValues':'ALL_OLD'}",
       "{'Attributes':{'id':{'S':'a'},'n':{'N':'-1.5'},'m':{'M':{}}}}");
    /* An update without an expression makes an item of the key. */
    ok(f, "UpdateItem", "{'TableName':'tbl','Key':{'id':{'S':'b'}},'ReturnValues':'ALL_NEW'}",
       "{'Attributes':{'id':{'S':'b'}}}");
    refused(f, "UpdateItem", UPDATE "'UpdateExpression':'SET x = gone'}", "ValidationException",
            "does not exist in the item");
    refused(f, "UpdateItem",
            UPDATE "'UpdateExpression':'SET x = m + :v',"
                   "'ExpressionAttributeValues':{':v':{'N':'1'}}}",
            "ValidationException", "incorrect data type");
    refused(f, "UpdateItem", UPDATE "'ReturnValues':'SOME'}", "ValidationException",
            "ReturnValues");
    refused(f, "UpdateItem",
            UPDATE "'UpdateExpression':'SET id = :v','ExpressionAttributeValues':{':v':{'S':'x'}}}",
            "ValidationException", "part of the key");
    /* A condition that fails comes before an update that does not fit, after one that is no text.
     */
    refused(f, "UpdateItem",
            UPDATE "'UpdateExpression':'SET x = gone','ConditionExpression':"
                   "'attribute_exists(gone)'}",
            "ConditionalCheckFailedException", "failed");
    refused(f, "UpdateItem",
            UPDATE "'UpdateExpression':'SET x','ConditionExpression':'attribute_exists(gone)'}",
            "ValidationException", "Syntax error");
    refused(f, "UpdateItem", UPDATE "'ConditionExpression':7}", "ValidationException", "string");
    refused(f, "UpdateItem", UPDATE "'UpdateExpression':[]}", "ValidationException", "string");
}

static void test_substitutions(void **state)
{
    struct fixture *f = *state;
    refused(f, "UpdateItem",
            UPDATE "'UpdateExpression':'SET x = :v',"
                   "'ExpressionAttributeValues':{':v':{'S':'1'},':w':{'S':'2'}}}",
            "ValidationException", "ExpressionAttributeValues unused in expressions: keys: {:w}");
    refused(f, "UpdateItem",
            UPDATE "'UpdateExpression':'REMOVE x','ExpressionAttributeNames':{'#x':'x'}}",
            "ValidationException", "ExpressionAttributeNames unused in expressions: keys: {#x}");
    refused(f, "UpdateItem", UPDATE "'UpdateExpression':'SET x = :v'}", "ValidationException",
            "not defined; attribute value: :v");
    refused(f, "UpdateItem", UPDATE "'UpdateExpression':'REMOVE #x'}", "ValidationException",
            "not defined; attribute name: #x");
    refused(f, "UpdateItem",
            UPDATE "'UpdateExpression':'REMOVE #x','ExpressionAttributeNames':{'x':'x'}}",
            "ValidationException", "ExpressionAttributeNames");
    refused(f, "UpdateItem",
            UPDATE "'UpdateExpression':'SET x = :v','ExpressionAttributeValues':{':v':{'Q':'1'}}}",
            "ValidationException", "types");
}

static void test_full(void **state)
{
    struct fixture *f = *state;
    f->w.full = true;
    call(f, "PutItem", "{'TableName':'tbl','Item':{'id':{'S':'a'}}}");
    assert_int_equal(f->w.answer.status, 503);
    ok(f, "UpdateItem", UPDATE "'UpdateExpression':'REMOVE x'}", "{}");
    ok(f, "DeleteItem", "{'TableName':'tbl','Key':{'id':{'S':'a'}}}", "{}");
}

#define TTL(on, name)                                                                              \
    "{'TableName':'tbl','TimeToLiveSpecification':{'Enabled':" on ",'AttributeName':'" name "'}}"

static void test_time_to_live(void **state)
{
    struct fixture *f = *state;
    put(f, "{'id':{'S':'a'},'expires':{'N':'1800000100'}}");
    put(f, "{'id':{'S':'old'},'expires':{'N':'1000000000'}}");
    put(f, "{'id':{'S':'text'},'expires':{'S':'1800000100'}}");
    ok(f, "DescribeTimeToLive", "{'TableName':'tbl'}",
       "{'TimeToLiveDescription':{'TimeToLiveStatus':'DISABLED'}}");
    refused(f, "UpdateTimeToLive", TTL("false", "expires"), "ValidationException", "disabled");
    ok(f, "UpdateTimeToLive", TTL("true", "expires"), NULL);
    refused(f, "UpdateTimeToLive", TTL("true", "expires"), "ValidationException",
            "already enabled");
    refused(f, "UpdateTimeToLive", TTL("true", "other"), "ValidationException", "different");
    refused(f, "UpdateTimeToLive", "{'TableName':'tbl'}", "ValidationException", "Enabled");
    ok(f, "DescribeTimeToLive", "{'TableName':'tbl'}",
       "{'TimeToLiveDescription':{'TimeToLiveStatus':'ENABLED','AttributeName':'expires'}}");
    put(f, "{'id':{'S':'b'},'expires':{'N':'1800000200.5'}}");
    put(f, "{'id':{'S':'c'}}");
    assert_int_equal(world_sweep(&f->w), SERVICE_ANSWERED);
    ok(f, "GetItem", GET, NULL);
    assert_non_null(json_object_get(f->answer, "Item"));
    f->w.now_ms += 101 * 1000; /* past it: visible until the sweep */
    ok(f, "GetItem", GET, NULL);
    assert_non_null(json_object_get(f->answer, "Item"));
    world_sweep(&f->w);
    ok(f, "GetItem", GET, "{}");
    f->w.now_ms += 1000 * 1000;
    world_sweep(&f->w);
    static const char *const left[] = {"old", "text", "c"};
    for (size_t i = 0; i < 3; i++) {
        char *input = xasprintf("{'TableName':'tbl','Key':{'id':{'S':'%s'}}}", left[i]);
        ok(f, "GetItem", input, NULL);
        assert_non_null(json_object_get(f->answer, "Item"));
        free(input);
    }
    assert_int_equal(dynamodb_service_counts(f->service).items_expired, 2);
    ok(f, "UpdateTimeToLive", TTL("false", "expires"), NULL);
}

static void test_expiry_goes_in_batches(void **state)
{
    struct fixture *f = *state;
    ok(f, "UpdateTimeToLive", TTL("true", "e"), NULL);
    for (int i = 0; i < 1001; i++) {
        char *item = xasprintf("{'id':{'S':'%d'},'e':{'N':'1799999999'}}", i);
        put(f, item);
        free(item);
    }
    assert_int_equal(world_sweep(&f->w), SERVICE_WAITS);
    assert_int_equal(dynamodb_service_counts(f->service).items_expired, 1000);
    assert_int_equal(world_sweep(&f->w), SERVICE_ANSWERED);
    assert_int_equal(dynamodb_service_counts(f->service).items_expired, 1001);
}

int main(void)
{
#define WITH_TABLE(test) cmocka_unit_test_setup_teardown(test, set_up_table, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tables, set_up, tear_down),
        WITH_TABLE(test_put_get_delete),
        WITH_TABLE(test_keys),
        WITH_TABLE(test_values),
        WITH_TABLE(test_update),
        WITH_TABLE(test_substitutions),
        WITH_TABLE(test_full),
        WITH_TABLE(test_time_to_live),
        WITH_TABLE(test_expiry_goes_in_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
