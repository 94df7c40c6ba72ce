#ifndef COMMON_BASE_CRC32_H
#define COMMON_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32 as of zlib, gzip and PNG (reflected polynomial 0xEDB88320): what S3's
 * x-amz-checksum-crc32 and DynamoDB's x-amz-crc32 hold. */
uint32_t crc32_of(const void *data, size_t len);

#endif
