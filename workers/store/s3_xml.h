#ifndef WORKERS_STORE_S3_XML_H
#define WORKERS_STORE_S3_XML_H

/* The XML that S3 answers with. */
struct buf;
struct service_answer;

#define S3_XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define S3_XML_NAMESPACE "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

/* Appends <name>text</name>, with text escaped. */
void s3_xml_element(struct buf *out, const char *name, const char *text);

/* <Error> with Code, Message and, where extra is not NULL, one further element. */
void s3_error_answer(struct service_answer *answer, int status, const char *code,
                     const char *message, const char *extra, const char *extra_text);
/* Makes out the answer's body (emptied). */
void s3_xml_answer(struct service_answer *answer, int status, struct buf *out);

#endif
