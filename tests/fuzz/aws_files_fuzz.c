/* libFuzzer target: any bytes as either of AWS's shared files. A refusal has its sentence; looking
 * things up afterwards finds texts or nothing. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/aws_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"region", "s3.addressing_style", "role_arn", "s3", ""};
    char why[160] = "";
    if (!size)
        return 0;
    enum aws_file which = data[0] & 1 ? AWS_FILE_CONFIG : AWS_FILE_CREDENTIALS;
    struct aws_files *files = aws_files_new();
    if (aws_files_parse(files, which, (const char *)data + 1, size - 1, why, sizeof(why)) != 0)
        assert(why[0]);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *value = aws_files_get(files, AWS_FILE_BOTH, "default", keys[i]);
        assert(!value || (*value && aws_files_has_profile(files, which, "default")));
    }
    const char *endpoint = aws_files_get_service(files, "default", "sqs", "endpoint_url");
    assert(!endpoint || *endpoint);
    aws_files_free(files);
    return 0;
}
