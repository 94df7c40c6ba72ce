#ifndef COMMON_BASE_MASK_H
#define COMMON_BASE_MASK_H

/* Stars over each place at which the text repeats the secret, in whatever case; none for "". Mask
 * before anything is cut off: half a secret would not be found. */
void mask_secret(char *text, const char *secret);

#endif
