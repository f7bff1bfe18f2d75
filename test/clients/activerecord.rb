# activerecord.rb
#	Rails' ActiveRecord by ruby-pg: a migration, db/schema.rb, models.  Started
#	by run.
require "listguard_activerecord"
require "stringio"

NAME = ENV.fetch("LG_CLIENT")
ADDRESSES = File.read(ENV.fetch("LG_ADDRESSES"), encoding: "UTF-8").split("\n")
BAD = "no-address.#{NAME}.clients.example"
MASK = "J***@#{NAME[0]}***.example"
$count = $failed = 0

def is(got, expected, text)
  $count += 1
  if got == expected
    puts "ok #{$count} - #{text}"
  else
    $failed += 1
    puts "not ok #{$count} - #{text}\n#   expected: #{expected.inspect}\n#   got: #{got.inspect}"
  end
end

# The SQLSTATE that a block ends with, in a transaction of its own.
def state_of(error = ActiveRecord::ActiveRecordError)
  ActiveRecord::Base.transaction(requires_new: true) { yield }
  "none"
rescue error => e
  e.cause.result.error_field(PG::Result::PG_DIAG_SQLSTATE)
end

def connect(user)
  ActiveRecord::Base.establish_connection(adapter: "postgresql", host: ENV["PGHOST"], port: ENV["PGPORT"], database: ENV["PGDATABASE"],
                                          username: user, password: ENV["PGPASSWORD"])
end

class Subscriber < ActiveRecord::Base
  self.table_name = "subscriber"
end

class Contact < ActiveRecord::Base
  validates :email, uniqueness: { case_sensitive: false }
end

class CreateContacts < ActiveRecord::Migration[6.1]
  def up
    create_table :contacts do |t|
      t.sealed_email :email, null: false, index: { unique: true }
      t.sealed_text :note
    end
    execute "SELECT listguard.protect('contacts', '{email}')"
    execute "SELECT listguard.grant_access('app', 'contacts', '{view,reveal,insert,update,delete}')"
    execute "GRANT USAGE ON SEQUENCE contacts_id_seq TO app"
    add_column :contacts, :phone, :sealed_lookup
  end
end

# A migration, and the schema file made from the database.
connect("owner")
ActiveRecord::Migration.verbose = false
CreateContacts.new.migrate(:up)
schema = StringIO.new
ActiveRecord::SchemaDumper.dump(ActiveRecord::Base.connection, schema)
contacts = schema.string[/create_table "contacts".*?^  end/m].to_s
is(contacts.scan(/t\.sealed_\w+ "\w+".*/), ['t.sealed_email "email", null: false', 't.sealed_text "note"', 't.sealed_lookup "phone"'],
   "schema.rb has the types, without a list's number")
is(schema.string.include?("Could not dump"), false, "and every table")
is(ActiveRecord::Base.connection.columns("subscriber").last(3).map(&:type), %i[sealed_email sealed_lookup sealed_text], "the columns' types")

# Writing.
connect("app")
ADDRESSES.first(20).each_with_index { |a, i| Subscriber.create!(list_id: 1, ref: i + 1, email: a) }
rows = ADDRESSES.drop(20).each_with_index.map { |a, i| { list_id: 1, ref: i + 21, email: a } }
is(Subscriber.insert_all(rows, returning: %i[email]).rows.flatten, ADDRESSES.drop(20), "insert_all, RETURNING")
got = [1, 21, 41].flat_map { |n| Subscriber.where(ref: n..n + 19).order(:ref).pluck(:email) }
is(got, ADDRESSES, "every address comes back byte for byte")
Subscriber.insert_all([{ list_id: 1, email: ADDRESSES[0].upcase }])
Subscriber.upsert_all([{ list_id: 1, ref: 1, email: ADDRESSES[0], phone: "+49-555-#{NAME}", name: "secret-name-#{NAME}" }], unique_by: %i[list_id email])
is([Subscriber.count, Subscriber.find_by(ref: 1).phone], [60, "+49-555-#{NAME}"], "ON CONFLICT: insert_all, upsert_all")

# Reading.
is(Subscriber.find_by(email: ADDRESSES[1].downcase).ref, 2, "find_by")
is(Subscriber.where(email: ADDRESSES.first(20)).pluck(:ref).sort, [*1..20], "where(email: [...])")
is(Subscriber.where("email = ?", ADDRESSES[1]).pick(:ref), 2, "where with a placeholder")
is(Subscriber.where(phone: nil).count, 59, "nil")
is((0..11).map { |n| Subscriber.find_by(email: ADDRESSES[n]).ref }, [*1..12], "a prepared statement twelve times over")
is(Subscriber.find_or_create_by!(list_id: 1, email: ADDRESSES[2].upcase).ref, 3, "find_or_create_by!")
is(Subscriber.in_batches(of: 25).flat_map { |b| b.order(:id).pluck(:email) }, ADDRESSES, "in_batches")
record = Subscriber.find_by(ref: 1)
record.update!(ref: 1, email: ADDRESSES[0])
is(record.reload.email, ADDRESSES[0], "update!")
contact = Contact.create!(email: ADDRESSES[0], phone: "+49-555-#{NAME}")
is(Contact.find_by(email: ADDRESSES[0].upcase)&.id, contact.id, "a migrated table")

# Errors.
is(state_of { Subscriber.create!(list_id: 1, email: BAD) }, "22P02", "a bad address")
is([ADDRESSES[0].upcase, ADDRESSES[1]].map { |a| Contact.new(email: a).valid? }, [false, true], "validates uniqueness, in another case")
is(state_of(ActiveRecord::RecordNotUnique) { Contact.new(email: ADDRESSES[0]).save!(validate: false) }, "23505", "a duplicate is RecordNotUnique")
is(state_of { Subscriber.all.to_a }, "LG001", "over the threshold")
ActiveRecord::Base.transaction do
  state_of { Subscriber.create!(list_id: 1, email: BAD) }
  is(Subscriber.find_by(email: ADDRESSES[0]).ref, 1, "a nested transaction outlives it")
end

# Masks.
connect("masked")
record = Subscriber.find_by(ref: 1)
is([record.email, record.phone, record.name], [MASK, "***", "***"], "a masked role gets masks")
record.update!(ref: 1001)
record.update!(ref: 1)
is(state_of { Subscriber.where(ref: 1).update_all(email: MASK) }, "22P02", "a mask saved back is refused")
seen = [Subscriber.where(ref: 1..30).map(&:attributes), Subscriber.where(ref: 31..60).pluck(:email)].inspect.downcase
is(ADDRESSES.count { |a| seen.include?(a.downcase) || seen.include?(a.inspect[1..-2].downcase) }, 0, "a masked role gets masks only")
puts "1..#{$count}"
exit $failed.zero?
