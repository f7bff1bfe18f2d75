// client.go
//
//	pgx: prepared statements by default, batches, CopyFrom, binary formats where
//	it knows the type.  Started by run, which builds it.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgtype"
	"github.com/jackc/pgx/v4"
)

const insert = "INSERT INTO subscriber (list_id, ref, email) VALUES ($1, $2, $3)"
const first30 = "SELECT email FROM subscriber WHERE ref <= 30 ORDER BY ref"

var (
	ctx       = context.Background()
	name      = os.Getenv("LG_CLIENT")
	bad       = "no-address." + name + ".clients.example"
	mask      = "J***@" + name[:1] + "***.example"
	addresses []string
	count     int
	failed    int
)

func is(got, expected interface{}, text string) {
	count++
	if reflect.DeepEqual(got, expected) {
		fmt.Printf("ok %d - %s\n", count, text)
		return
	}
	failed++
	fmt.Printf("not ok %d - %s\n#   expected: %v\n#   got: %v\n", count, text, expected, got)
}

// must ends the program: what follows would mean nothing.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// state is the SQLSTATE of an error, "none" without one, the text of another.
func state(err error) string {
	var pgErr *pgconn.PgError
	switch {
	case err == nil:
		return "none"
	case errors.As(err, &pgErr):
		return pgErr.Code
	}
	return err.Error()
}

// strs is the first column of each row, as far as the rows go.
func strs(rows pgx.Rows, err error) ([]string, error) {
	var got []string
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return got, err
		}
		got = append(got, s)
	}
	return got, rows.Err()
}

type querier interface {
	Query(ctx context.Context, sql string, args ...interface{}) (pgx.Rows, error)
}

// all is strs of a query that must not fail.
func all(db querier, sql string, args ...interface{}) []string {
	got, err := strs(db.Query(ctx, sql, args...))
	if err != nil {
		return []string{err.Error()}
	}
	return got
}

func connect(options string) *pgx.Conn {
	config, err := pgx.ParseConfig(options)
	must(err)
	db, err := pgx.ConnectConfig(ctx, config)
	must(err)
	return db
}

func writing(db *pgx.Conn) {
	var got []string
	for n := 1; n <= 20; n++ {
		got = append(got, all(db, insert+" RETURNING email", 1, n, addresses[n-1])...)
	}
	is(got, addresses[:20], "INSERT RETURNING gives each address back")
	batch := &pgx.Batch{}
	for n := 21; n <= 40; n++ {
		batch.Queue(insert+" RETURNING email", 1, n, addresses[n-1])
	}
	results := db.SendBatch(ctx, batch)
	got = nil
	for n := 21; n <= 40; n++ {
		var s string
		must(results.QueryRow().Scan(&s))
		got = append(got, s)
	}
	must(results.Close())
	is(got, addresses[20:40], "a batch")
	text := ""
	for n := 41; n <= 50; n++ {
		text += fmt.Sprintf("1\t%d\t%s\n", n, strings.ReplaceAll(addresses[n-1], `\`, `\\`))
	}
	_, err := db.PgConn().CopyFrom(ctx, strings.NewReader(text), "COPY subscriber (list_id, ref, email) FROM STDIN")
	must(err)
	var out bytes.Buffer
	_, err = db.PgConn().CopyTo(ctx, &out, "COPY (SELECT list_id, ref, email FROM subscriber WHERE ref > 40 ORDER BY ref) TO STDOUT")
	must(err)
	is(out.String(), text, "COPY in and out, text")
}

// copyFrom: by COPY in binary, of types that pgx has never heard of.
func copyFrom(db *pgx.Conn) {
	var records [][]interface{}
	for n := 51; n <= 60; n++ {
		records = append(records, []interface{}{1, n, addresses[n-1]})
	}
	columns := []string{"list_id", "ref", "email"}
	n, err := db.CopyFrom(ctx, pgx.Identifier{"subscriber"}, columns, pgx.CopyFromRows(records))
	is([]interface{}{n, state(err)}, []interface{}{int64(10), "none"}, "CopyFrom, in binary")
}

// register tells pgx that a sealed type is text on the wire.
func register(db *pgx.Conn) {
	for _, typ := range []string{"sealed_email", "sealed_lookup", "sealed_text"} {
		var oid, array uint32
		must(db.QueryRow(ctx, "SELECT oid, typarray FROM pg_type WHERE oid = ('listguard.' || $1::text)::regtype", typ).Scan(&oid, &array))
		db.ConnInfo().RegisterDataType(pgtype.DataType{Value: &pgtype.Text{}, Name: typ, OID: oid})
		db.ConnInfo().RegisterDataType(pgtype.DataType{Name: "_" + typ, OID: array,
			Value: pgtype.NewArrayType("_"+typ, oid, func() pgtype.ValueTranscoder { return &pgtype.Text{} })})
	}
}

func reading(db *pgx.Conn, how string) {
	const ref = "SELECT ref::text FROM subscriber WHERE email "
	second := strings.ToLower(addresses[1])
	for _, typ := range []string{"", "::text", "::varchar"} {
		is(all(db, ref+"= $1"+typ, second), []string{"2"}, "found by $1"+typ+how)
	}
	for _, typ := range []string{"", "::text[]"} {
		is(all(db, ref+"= ANY($1"+typ+") ORDER BY ref", addresses[:3]), []string{"1", "2", "3"}, "= ANY($1"+typ+")"+how)
	}
	is(all(db, ref+"IN ($1, $2) ORDER BY ref", addresses[0], addresses[1]), []string{"1", "2"}, "IN"+how)
	var got []string
	for n := 0; n < 12; n++ {
		var email string
		var phone *string
		err := db.QueryRow(ctx, "SELECT email, nullif(phone, phone) FROM subscriber WHERE email = $1", addresses[n]).Scan(&email, &phone)
		if err != nil || phone != nil {
			email = fmt.Sprint(err, phone)
		}
		got = append(got, email)
	}
	is(got, addresses[:12], "a prepared statement twelve times over; NULL is nil"+how)
	rows, err := db.Query(ctx, "SELECT email FROM subscriber WHERE ref = 1")
	must(err)
	rows.Next()
	values, err := rows.Values()
	oid := rows.FieldDescriptions()[0].DataTypeOID
	rows.Close()
	is([]interface{}{values[0], err}, []interface{}{addresses[0], nil}, "Values gives a string"+how)
	is(all(db, "SELECT typname::text FROM pg_type WHERE oid = $1", oid), []string{"sealed_email"}, "the column's type"+how)
}

func changing(db *pgx.Conn) {
	first, phone, person := addresses[0], "+49-555-"+name, "secret-name-"+name
	tag, err := db.Exec(ctx, "INSERT INTO subscriber (list_id, email) VALUES (1, $1) ON CONFLICT DO NOTHING", strings.ToUpper(first))
	is([]interface{}{tag.RowsAffected(), state(err)}, []interface{}{int64(0), "none"}, "ON CONFLICT DO NOTHING")
	is(all(db, "INSERT INTO subscriber (list_id, email, phone) VALUES (1, $1, $2) ON CONFLICT (list_id, email)"+
		" DO UPDATE SET phone = excluded.phone RETURNING phone", first, phone), []string{phone}, "ON CONFLICT DO UPDATE RETURNING")
	is(all(db, "UPDATE subscriber SET name = $1 WHERE email = $2 RETURNING name", person, first), []string{person}, "UPDATE RETURNING")
	_, err = db.Exec(ctx, "UPDATE subscriber SET phone = $1 WHERE email = $2", nil, addresses[1])
	is(state(err), "none", "a NULL parameter")
	tx, err := db.Begin(ctx)
	must(err)
	is(all(tx, "DELETE FROM subscriber WHERE email = $1 RETURNING email", first), []string{first}, "DELETE RETURNING")
	must(tx.Rollback(ctx))
}

func failing(db *pgx.Conn) {
	tx, err := db.Begin(ctx)
	must(err)
	nested, err := tx.Begin(ctx)
	must(err)
	_, err = nested.Exec(ctx, insert, 1, nil, bad)
	is(state(err), "22P02", "a bad address")
	must(nested.Rollback(ctx))
	is(all(tx, "SELECT ref::text FROM subscriber WHERE email = $1", addresses[0]), []string{"1"}, "a savepoint outlives it")
	must(tx.Commit(ctx))
	_, err = db.Exec(ctx, insert, 1, nil, addresses[0])
	is(state(err), "23505", "a duplicate")
	got, err := strs(db.Query(ctx, "SELECT email FROM subscriber"))
	is([]interface{}{len(got), state(err)}, []interface{}{0, "LG001"}, "over the threshold, no row")
}

func masked() {
	db := connect("user=masked")
	seen := [][]string{all(db, first30), all(db, "SELECT email::text FROM subscriber WHERE ref > 30"), all(db, "SELECT name FROM subscriber WHERE ref = 1")}
	_, err := db.Exec(ctx, "UPDATE subscriber SET email = $1 WHERE ref = 1", seen[0][0])
	is(state(err), "22P02", "a mask saved back is refused")
	found, text := 0, strings.ToLower(fmt.Sprint(seen))
	for _, a := range addresses {
		if strings.Contains(text, strings.ToLower(a)) {
			found++
		}
	}
	is([]int{len(seen[0]), len(seen[1]), found}, []int{30, 30, 0}, "a masked role gets masks only")
	must(db.Close(ctx))
}

func main() {
	file, err := os.ReadFile(os.Getenv("LG_ADDRESSES"))
	must(err)
	addresses = strings.Split(strings.TrimRight(string(file), "\n"), "\n")
	db := connect("")
	writing(db)
	copyFrom(db)
	reading(db, "")
	register(db)
	changing(db)
	reading(db, ", with the type registered")
	failing(db)
	var got []string
	for _, n := range []int{1, 21, 41} {
		got = append(got, all(db, "SELECT email FROM subscriber WHERE ref BETWEEN $1 AND $2 ORDER BY ref", n, n+19)...)
	}
	is(got, addresses, "every address comes back byte for byte")
	_, err = db.Exec(ctx, "SET ROLE masked")
	must(err)
	is(all(db, "SELECT email FROM subscriber WHERE ref = 1"), []string{mask}, "SET ROLE to a masked role")
	must(db.Close(ctx))

	simple, err := pgx.ParseConfig("")
	must(err)
	simple.PreferSimpleProtocol = true
	db, err = pgx.ConnectConfig(ctx, simple)
	must(err)
	is(all(db, "SELECT email FROM subscriber WHERE email = $1", addresses[0]), addresses[:1], "the simple protocol")
	must(db.Close(ctx))
	masked()
	fmt.Printf("1..%d\n", count)
	if failed > 0 {
		os.Exit(1)
	}
}
