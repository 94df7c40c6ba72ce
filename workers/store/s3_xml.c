#include "workers/store/s3_xml.h"

#include "common/base/buf.h"
#include "workers/store/service.h"

static void append_escaped(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '&')
            buf_puts(out, "&amp;");
        else if (c == '<')
            buf_puts(out, "&lt;");
        else if (c == '>')
            buf_puts(out, "&gt;");
        else if (c == '"')
            buf_puts(out, "&quot;");
        else if (c < 0x20)
            buf_printf(out, "&#%d;", c);
        else
            buf_append(out, p, 1);
    }
}

void s3_xml_element(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "<%s>", name);
    append_escaped(out, text);
    buf_printf(out, "</%s>", name);
}

void s3_xml_answer(struct service_answer *answer, int status, struct buf *out)
{
    answer->status = status;
    answer->body_len = out->len;
    answer->body = buf_steal(out);
}

void s3_error_answer(struct service_answer *answer, int status, const char *code,
                     const char *message, const char *extra, const char *extra_text)
{
    struct buf out = {0};
    service_answer_clear(answer);
    answer->xml = true;
    buf_puts(&out, S3_XML_HEAD "<Error>");
    s3_xml_element(&out, "Code", code);
    s3_xml_element(&out, "Message", message);
    if (extra)
        s3_xml_element(&out, extra, extra_text);
    buf_puts(&out, "</Error>");
    s3_xml_answer(answer, status, &out);
}
