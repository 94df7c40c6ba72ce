#ifndef COMMON_AWS_XML_H
#define COMMON_AWS_XML_H

#include <stdbool.h>
#include <stddef.h>

/* As much XML as the answers of S3, STS and their likes hold: elements, text, CDATA, the five
 * predefined entities and numeric references. Attributes and comments are passed over; document
 * types are refused. */
struct xml_reader {
    const char *at, *end;
    int depth;
    bool empty; /* the element just started has no content: its end is next */
};

enum xml_token {
    XML_START, /* name */
    XML_END,   /* name */
    XML_TEXT,  /* text (own: free()), entities resolved */
    XML_DONE,  /* the document ended and every element was closed */
    XML_BROKEN,
};

struct xml_piece {
    char name[64]; /* without a namespace prefix */
    char *text;
};

void xml_start(struct xml_reader *r, const char *text, size_t len);

/* An empty element gives XML_START and XML_END (without a name). Blank text between elements is
 * skipped. */
enum xml_token xml_next(struct xml_reader *r, struct xml_piece *piece_out);

/* The text of the first element of that name anywhere in the document (malloc), or NULL. */
char *xml_first_text(const char *text, size_t len, const char *name);

#endif
