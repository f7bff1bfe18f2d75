// Client.java
//	pgjdbc: setString sends varchar, binary transfer, fetch size, CopyManager.
//	Started by run, which compiles it.
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.sql.*;
import java.util.*;

public class Client {
	static final String NAME = System.getenv("LG_CLIENT");
	static final String BAD = "no-address." + NAME + ".clients.example";
	static final String MASK = "J***@" + NAME.charAt(0) + "***.example";
	static final String INSERT = "INSERT INTO subscriber (list_id, ref, email) VALUES (?, ?, ?)";
	static final String FIRST30 = "SELECT email FROM subscriber WHERE ref <= 30 ORDER BY ref";
	static List<String> addresses;
	static int count, failed;

	static void is(Object got, Object expected, String text) {
		count++;
		if (Objects.equals(got, expected)) {
			System.out.println("ok " + count + " - " + text);
		} else {
			failed++;
			System.out.println("not ok " + count + " - " + text + "\n#   expected: " + expected + "\n#   got: " + got);
		}
	}

	interface Call { void run() throws Exception; }

	// The SQLSTATE that a call ends with, or "none".
	static String errorOf(Call call) throws Exception {
		try {
			call.run();
			return "none";
		} catch (SQLException e) {
			return e.getSQLState();
		}
	}

	static Connection connect(String user, String options) throws SQLException {
		return DriverManager.getConnection("jdbc:postgresql://127.0.0.1:" + System.getenv("PGPORT") + "/" +
			System.getenv("PGDATABASE") + "?user=" + user + "&password=" + System.getenv("PGPASSWORD") + options);
	}

	static List<String> column(ResultSet rs) throws SQLException {
		List<String> got = new ArrayList<>();
		while (rs.next())
			got.add(rs.getString(1));
		return got;
	}

	// First column of each row, as a string.
	static List<String> one(Connection db, String sql, Object... params) throws SQLException {
		try (PreparedStatement st = db.prepareStatement(sql)) {
			for (int i = 0; i < params.length; i++)
				st.setObject(i + 1, params[i]);
			return column(st.executeQuery());
		}
	}

	static void execute(Connection db, String sql) throws SQLException {
		try (Statement st = db.createStatement()) {
			st.execute(sql);
		}
	}

	static void bind(PreparedStatement st, int n) throws SQLException {
		st.setInt(1, 1);
		st.setInt(2, n);
		st.setString(3, addresses.get(n - 1));
	}

	static void writing(Connection db) throws Exception {
		List<String> got = new ArrayList<>();
		for (int n = 1; n <= 20; n++)
			got.addAll(one(db, INSERT + " RETURNING email", 1, n, addresses.get(n - 1)));
		is(got, addresses.subList(0, 20), "INSERT RETURNING gives each address back");
		try (PreparedStatement st = db.prepareStatement(INSERT)) {
			for (int n = 21; n <= 40; n++) {
				bind(st, n);
				st.addBatch();
			}
			is(st.executeBatch().length, 20, "a batch");
		}
		got.clear();
		try (PreparedStatement st = db.prepareStatement(INSERT, new String[] {"id", "email"})) {
			for (int n = 41; n <= 50; n++) {
				bind(st, n);
				st.executeUpdate();
				ResultSet keys = st.getGeneratedKeys();
				keys.next();
				got.add(keys.getString("email"));
			}
		}
		is(got, addresses.subList(40, 50), "getGeneratedKeys");
		org.postgresql.copy.CopyManager copy = db.unwrap(org.postgresql.PGConnection.class).getCopyAPI();
		StringBuilder text = new StringBuilder();
		for (int n = 51; n <= 60; n++)
			text.append("1\t" + n + "\t" + addresses.get(n - 1).replace("\\", "\\\\") + "\n");
		copy.copyIn("COPY subscriber (list_id, ref, email) FROM STDIN", new StringReader(text.toString()));
		ByteArrayOutputStream out = new ByteArrayOutputStream();
		copy.copyOut("COPY (SELECT list_id, ref, email FROM subscriber WHERE ref > 50 ORDER BY ref) TO STDOUT", out);
		is(new String(out.toByteArray(), StandardCharsets.UTF_8), text.toString(), "COPY in and out");
	}

	static void reading(Connection db, String how) throws Exception {
		String ref = "SELECT ref FROM subscriber WHERE email ";
		String second = addresses.get(1).toLowerCase(Locale.ROOT);
		is(one(db, ref + "= ?", second), List.of("2"), "found by setString, " + how);
		is(one(db, ref + "= ?::text", second), List.of("2"), "found by a text, " + how);
		is(one(db, "SELECT ref FROM subscriber WHERE lower(email) = lower(?)", second), List.of("2"), "lower(email) = lower(?), " + how);
		try (PreparedStatement st = db.prepareStatement(ref + "= ?")) {
			st.setObject(1, second, Types.OTHER);
			is(column(st.executeQuery()), List.of("2"), "found by Types.OTHER, " + how);
		}
		for (String type : new String[] {"text", "varchar"}) {
			try (PreparedStatement st = db.prepareStatement(ref + "= ANY(?) ORDER BY 1")) {
				st.setArray(1, db.createArrayOf(type, addresses.subList(0, 3).toArray()));
				is(column(st.executeQuery()), List.of("1", "2", "3"), "= ANY of a " + type + "[], " + how);
			}
		}
		is(one(db, ref + "IN (?, ?) ORDER BY 1", addresses.get(0), addresses.get(1)), List.of("1", "2"), "IN, " + how);
		List<String> got = new ArrayList<>();
		try (PreparedStatement st = db.prepareStatement("SELECT email, nullif(phone, phone) FROM subscriber WHERE email = ?")) {
			ResultSetMetaData meta = null;
			for (int n = 0; n < 20; n++) {
				st.setString(1, addresses.get(n));
				ResultSet rs = st.executeQuery();
				rs.next();
				got.add(rs.getString(2) == null && rs.getString("email").equals(((org.postgresql.util.PGobject) rs.getObject(1)).getValue()) ?
					rs.getString("email") : "?");
				meta = rs.getMetaData();
			}
			is(got, addresses.subList(0, 20), "a server-side prepared statement twenty times over, " + how);
			is(List.of(meta.getColumnTypeName(1).replaceAll("[^a-z_.]", ""), meta.getColumnType(1)),
				List.of("listguard.sealed_email", Types.OTHER), "the column's type, " + how);
		}
	}

	static void changing(Connection db) throws Exception {
		String first = addresses.get(0), phone = "+49-555-" + NAME, name = "secret-name-" + NAME;
		try (PreparedStatement st = db.prepareStatement("INSERT INTO subscriber (list_id, email) VALUES (1, ?) ON CONFLICT DO NOTHING")) {
			st.setString(1, first.toUpperCase(Locale.ROOT));
			is(st.executeUpdate(), 0, "ON CONFLICT DO NOTHING");
		}
		is(one(db, "INSERT INTO subscriber (list_id, email, phone) VALUES (1, ?, ?) ON CONFLICT (list_id, email)" +
			" DO UPDATE SET phone = excluded.phone RETURNING phone", first, phone), List.of(phone), "ON CONFLICT DO UPDATE RETURNING");
		is(one(db, "UPDATE subscriber SET name = ? WHERE email = ? RETURNING name", name, first), List.of(name), "UPDATE RETURNING");
		for (int type : new int[] {Types.VARCHAR, Types.OTHER, Types.NULL}) {
			try (PreparedStatement st = db.prepareStatement("UPDATE subscriber SET phone = ? WHERE ref = 2")) {
				st.setNull(1, type);
				is(st.executeUpdate(), 1, "setNull of type " + type);
			}
		}
		db.setAutoCommit(false);
		is(one(db, "DELETE FROM subscriber WHERE email = ? RETURNING email", first), List.of(first), "DELETE RETURNING");
		db.rollback();
		Savepoint savepoint = db.setSavepoint();
		is(errorOf(() -> one(db, INSERT + " RETURNING id", 1, 99, BAD)), "22P02", "a bad address");
		db.rollback(savepoint);
		is(one(db, "SELECT ref FROM subscriber WHERE email = ?", first), List.of("1"), "a savepoint outlives it");
		db.commit();
		is(errorOf(() -> one(db, INSERT + " RETURNING id", 1, 99, first)), "23505", "a duplicate");
		db.rollback();
		is(errorOf(() -> one(db, "SELECT email FROM subscriber")), "LG001", "over the threshold");
		db.rollback();
		try (Statement st = db.createStatement()) {
			st.setFetchSize(7);
			is(column(st.executeQuery(FIRST30)), addresses.subList(0, 30), "a fetch size");
			st.setFetchSize(15);
			ResultSet rs = st.executeQuery("SELECT email FROM subscriber");
			List<String> got = new ArrayList<>();
			String state = errorOf(() -> { while (rs.next()) got.add(rs.getString(1)); });
			is(List.of(state, got.size()), List.of("LG001", 30), "a fetch size stops at the threshold");
		}
		db.rollback();
		try (Statement st = db.createStatement(ResultSet.TYPE_SCROLL_SENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
			ResultSet rs = st.executeQuery("SELECT id, email, phone FROM subscriber WHERE ref = 1");
			rs.next();
			rs.updateString("phone", phone);
			rs.updateRow();
			is(rs.getString("email"), first, "an updatable result set");
		}
		db.commit();
		db.setAutoCommit(true);
	}

	static void metadata(Connection db) throws Exception {
		ResultSet rs = db.getMetaData().getColumns(null, "public", "subscriber", "email");
		rs.next();
		is(List.of(rs.getString("TYPE_NAME").replaceAll("[^a-z_.]", ""), rs.getInt("DATA_TYPE")),
			List.of("listguard.sealed_email", Types.OTHER), "DatabaseMetaData: the column's type");
	}

	static void masked() throws Exception {
		try (Connection db = connect("masked", "")) {
			List<List<String>> seen = List.of(one(db, FIRST30), one(db, "SELECT email::text FROM subscriber WHERE ref > 30"),
				one(db, "SELECT name FROM subscriber WHERE ref = 1"));
			is(errorOf(() -> one(db, "UPDATE subscriber SET email = ? WHERE ref = 1 RETURNING id", seen.get(0).get(0))), "22P02",
				"a mask saved back is refused");
			String text = seen.toString().toLowerCase(Locale.ROOT);
			is(List.of(seen.get(0).size(), seen.get(1).size(),
				addresses.stream().filter(a -> text.contains(a.toLowerCase(Locale.ROOT))).count()), List.of(30, 30, 0L), "a masked role gets masks only");
		}
	}

	public static void main(String[] args) throws Exception {
		addresses = Files.readAllLines(Paths.get(System.getenv("LG_ADDRESSES")), StandardCharsets.UTF_8);
		try (Connection db = connect("app", "&prepareThreshold=1")) {
			writing(db);
			reading(db, "prepared at once");
			changing(db);
			metadata(db);
		}
		// -1: binary from the first execution, where the driver knows the type.
		for (String options : new String[] {"&prepareThreshold=-1&binaryTransfer=true", "&stringtype=unspecified",
				"&preferQueryMode=simple", "&preferQueryMode=extendedForPrepared&binaryTransfer=false"}) {
			try (Connection db = connect("app", options)) {
				reading(db, options.substring(1));
			}
		}
		try (Connection db = connect("app", "")) {
			List<String> got = new ArrayList<>();
			for (int n : new int[] {1, 21, 41})
				got.addAll(one(db, "SELECT email FROM subscriber WHERE ref BETWEEN ? AND ? ORDER BY ref", n, n + 19));
			is(got, addresses, "every address comes back byte for byte");
			execute(db, "SET ROLE masked");
			is(one(db, "SELECT email FROM subscriber WHERE ref = 1"), List.of(MASK), "SET ROLE to a masked role");
		}
		masked();
		System.out.println("1.." + count);
		System.exit(failed == 0 ? 0 : 1);
	}
}
