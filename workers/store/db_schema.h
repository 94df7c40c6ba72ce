#ifndef WORKERS_STORE_DB_SCHEMA_H
#define WORKERS_STORE_DB_SCHEMA_H

#include <sqlite3.h>

/* The tables, as a list of steps: user_version in the file says how many have been done. A step is
 * never changed once it was released; a change is a new step at the end. */
#define DB_APPLICATION_ID 0x536c7563 /* "Sluc" */

/* Brings an open database to the newest version, in one transaction. An SQLite result code;
 * SQLITE_MISMATCH where the file belongs to another program or to a newer version of this one. */
int db_schema_migrate(sqlite3 *handle);

#endif
