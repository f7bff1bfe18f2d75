"""Migration operations: protect a model's table, grant access to it.

They need a role that owns the table and is a member of listguard_admin; the
application itself connects as another.
"""
from django.db.migrations.operations.base import Operation


class ListguardOperation(Operation):
    """An operation on one model's table that leaves the project's state alone."""

    reduces_to_sql = True
    reversible = False

    def __init__(self, model, **options):
        self.model = model
        self.options = options

    def state_forwards(self, app_label, state):
        pass

    def deconstruct(self):
        return type(self).__name__, [self.model], self.options

    def table(self, app_label, schema_editor, state):
        """The table's name as regclass reads it, or None on another database."""
        model = state.apps.get_model(app_label, self.model)
        if schema_editor.connection.vendor != "postgresql" or not self.allow_migrate_model(schema_editor.connection.alias, model):
            return None
        return schema_editor.quote_name(model._meta.db_table)

    def call(self, schema_editor, function, **arguments):
        """SELECT listguard.function(name => value, ...), what is None left out."""
        given = {name: value for name, value in arguments.items() if value is not None}
        names = ", ".join("%s => %%s" % name for name in given)
        schema_editor.execute("SELECT listguard.%s(%s)" % (function, names), list(given.values()))


class Protect(ListguardOperation):
    """listguard.protect.  Not reversible: a protected list stays one.

    Options are protect's arguments: address_columns, list_column, open_columns,
    bulk_threshold, mode, audit, keep_access.  Columns of type varchar or text
    become sealed; the indexes that Django makes for LIKE cannot follow and go
    first.
    """

    like_indexes = """
        SELECT i.indexrelid::regclass::text
        FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = %s::regclass AND a.attname = ANY(%s)
          AND EXISTS (SELECT 1 FROM pg_opclass c WHERE c.oid = i.indclass[0] AND c.opcname LIKE '%%pattern_ops')"""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        table = self.table(app_label, schema_editor, to_state)
        if table is None:
            return
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(self.like_indexes, [table, self.options["address_columns"]])
            indexes = [row[0] for row in cursor.fetchall()]
        for index in indexes:
            schema_editor.execute("DROP INDEX " + index)
        self.call(schema_editor, "protect", relation=table, **self.options)

    def describe(self):
        return "Protect the table of %s" % self.model


class GrantAccess(ListguardOperation):
    """listguard.grant_access: role, privileges, lists.

    Who may insert may use the sequence of a serial key as well, which is a
    privilege of its own in PostgreSQL; Django before 4.1 makes such keys.
    """

    reversible = True
    sequences = """
        SELECT pg_get_serial_sequence(%s, attname) FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
          AND pg_get_serial_sequence(%s, attname) IS NOT NULL"""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        table = self.table(app_label, schema_editor, to_state)
        if table is None:
            return
        self.call(schema_editor, "grant_access", relation=table, **self.options)
        if "insert" in self.options["privileges"]:
            with schema_editor.connection.cursor() as cursor:
                cursor.execute(self.sequences, [table] * 3)
                names = [row[0] for row in cursor.fetchall()]
            for name in names:
                schema_editor.execute("GRANT USAGE ON SEQUENCE %s TO %s" % (name, schema_editor.quote_name(self.options["role"])))

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        table = self.table(app_label, schema_editor, from_state)
        if table is not None:
            self.call(schema_editor, "revoke_access", relation=table, **self.options)

    def describe(self):
        return "Let %s use the table of %s" % (self.options["role"], self.model)
