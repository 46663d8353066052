"""Run alembic's versions on the given connection, or else on the usual catalogue.

The program passes its own connection inside its own transaction. Developers run alembic with
``db/alembic.ini``, which finds the catalogue as the program does, or with ``-x db=URL``.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy.engine import Connection

from flipsearch.catalogue.columns import SCHEMES
from flipsearch.catalogue.tables import VERSION_TABLE


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SCHEMES.metadata,
        version_table=VERSION_TABLE,
        transactional_ddl=True,
        render_as_batch=True,
    )
    context.run_migrations()


def _main() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        _run(given)
        return
    from flipsearch.catalogue.connection import Database
    from flipsearch.catalogue.places import resolve

    database = Database(resolve(context.get_x_argument(as_dictionary=True).get("db")))
    try:
        with database.writing() as connection:
            _run(connection)
    finally:
        database.close()


_main()
