# listguard_activerecord.rb
#	Sealed columns in ActiveRecord on PostgreSQL: attribute types that the
#	adapter knows by name, so that migrations and db/schema.rb can say
#
#	    t.sealed_email :email, null: false
#
#	A value is a String: the address as entered, or its mask where the session's
#	role holds no "reveal".  Require it in an initializer.
require "active_record"
require "active_record/connection_adapters/postgresql_adapter"

module ListguardActiveRecord
  TYPES = %i[sealed_email sealed_lookup sealed_text].freeze

  # On the wire a sealed value is text.
  class Sealed < ActiveModel::Type::String
    attr_reader :type

    def initialize(type)
      @type = type
      super()
    end
  end

  # The adapter's map from a column's type to the attribute's.
  module TypeMap
    def initialize_type_map(m = type_map)
      super
      TYPES.each { |name| m.register_type(name.to_s, Sealed.new(name)) }
    end
  end

  # t.sealed_email :email
  module ColumnMethods
    TYPES.each do |name|
      define_method(name) { |*columns, **options| columns.each { |c| column(c, name, **options) } }
    end
  end

  # The number of a list in a column's type is protect's affair, not the schema's.
  module SchemaDumper
    private

    def schema_type(column)
      TYPES.include?(column.type) ? column.type : super
    end
  end

  adapter = ActiveRecord::ConnectionAdapters::PostgreSQLAdapter
  if adapter.singleton_class.private_method_defined?(:initialize_type_map) || adapter.respond_to?(:initialize_type_map, true)
    # From ActiveRecord 7 on a method of the class.
    adapter.singleton_class.prepend(Module.new do
      def initialize_type_map(m)
        super
        TYPES.each { |name| m.register_type(name.to_s, Sealed.new(name)) }
      end
    end)
  else
    adapter.prepend(TypeMap)
  end
  TYPES.each { |name| adapter::NATIVE_DATABASE_TYPES[name] = { name: "listguard.#{name}" } }
  ActiveRecord::ConnectionAdapters::PostgreSQL::Table.include(ColumnMethods)
  ActiveRecord::ConnectionAdapters::PostgreSQL::TableDefinition.include(ColumnMethods)
  ActiveRecord::ConnectionAdapters::PostgreSQL::SchemaDumper.prepend(SchemaDumper)
end
