//! A table's columns as Delta's `metaData.schemaString` holds them, there and back. Pure.

use mainstem_kernel::ColumnType;
use serde_json::{Map, Value, json};

use super::{TableColumn, TableColumns};

const COLUMN_KEY: &str = "mainstem.column";
const FIELD_KEY: &str = "mainstem.field";
const PHYSICAL_KEY: &str = "mainstem.physical";
const TYPE_KEY: &str = "mainstem.type";

impl TableColumns {
    /// The text of `metaData.schemaString`.
    pub(crate) fn to_delta(&self) -> String {
        let fields: Vec<Value> = self
            .columns
            .iter()
            .map(|column| self.delta_field(column))
            .collect();
        json!({"type": "struct", "fields": fields}).to_string()
    }

    fn delta_field(&self, column: &TableColumn) -> Value {
        let mut metadata = Map::new();
        if let Some(id) = column.id {
            metadata.insert(COLUMN_KEY.to_owned(), id.into());
        }
        metadata.insert(FIELD_KEY.to_owned(), column.field_id.into());
        metadata.insert(PHYSICAL_KEY.to_owned(), column.physical.clone().into());
        let ty = serde_json::to_string(&column.ty).unwrap_or_default();
        metadata.insert(TYPE_KEY.to_owned(), ty.into());
        let mut next = column.field_id;
        if self.mapped {
            map_field(&mut metadata, &column.physical, next);
        }
        next += 1;
        let ty = delta_type(&column.ty, self.mapped.then_some(&mut next));
        json!({"name": column.name, "type": ty, "nullable": column.nullable, "metadata": metadata})
    }

    /// Reads `metaData.schemaString` back. Says in words what it does not understand.
    pub(crate) fn from_delta(text: &str, mapped: bool) -> Result<Self, String> {
        let schema: DeltaSchema = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let columns = schema.fields.into_iter().map(TableColumn::try_from);
        Ok(Self {
            columns: columns.collect::<Result<_, _>>()?,
            mapped,
        })
    }
}

/// A type in Delta's JSON; with `ids` also the mapping of nested fields.
fn delta_type(ty: &ColumnType, mut ids: Option<&mut i32>) -> Value {
    match ty {
        ColumnType::Boolean => "boolean".into(),
        ColumnType::SmallInt => "short".into(),
        ColumnType::Integer => "integer".into(),
        ColumnType::BigInt => "long".into(),
        ColumnType::Real => "float".into(),
        ColumnType::Double => "double".into(),
        ColumnType::Numeric { precision, scale } => format!("decimal({precision},{scale})").into(),
        ColumnType::Text | ColumnType::Uuid | ColumnType::Json => "string".into(),
        ColumnType::Bytea => "binary".into(),
        ColumnType::Date => "date".into(),
        ColumnType::TimestampTz => "timestamp".into(),
        ColumnType::Array(item) => {
            json!({"type": "array", "elementType": delta_type(item, ids), "containsNull": true})
        }
        ColumnType::Row(fields) => {
            let mut list = Vec::new();
            for (name, ty) in fields {
                let mut metadata = Map::new();
                if let Some(next) = ids.as_deref_mut() {
                    map_field(&mut metadata, name.as_str(), *next);
                    *next += 1;
                }
                let ty = delta_type(ty, ids.as_deref_mut());
                list.push(json!({
                    "name": name.as_str(), "type": ty, "nullable": true, "metadata": metadata,
                }));
            }
            json!({"type": "struct", "fields": list})
        }
    }
}

fn map_field(metadata: &mut Map<String, Value>, physical: &str, id: i32) {
    metadata.insert("delta.columnMapping.id".to_owned(), id.into());
    metadata.insert(
        "delta.columnMapping.physicalName".to_owned(),
        physical.into(),
    );
}

#[derive(serde::Deserialize)]
struct DeltaSchema {
    fields: Vec<DeltaField>,
}

#[derive(serde::Deserialize)]
struct DeltaField {
    name: String,
    nullable: bool,
    metadata: Map<String, Value>,
}

impl TryFrom<DeltaField> for TableColumn {
    type Error = String;

    fn try_from(field: DeltaField) -> Result<Self, String> {
        let missing = |key: &str| format!("column \"{}\" has no \"{key}\"", field.name);
        let text = |key| {
            field
                .metadata
                .get(key)
                .and_then(Value::as_str)
                .ok_or_else(|| missing(key))
        };
        let number = |key| field.metadata.get(key).and_then(Value::as_i64);
        let field_id = number(FIELD_KEY).and_then(|id| i32::try_from(id).ok());
        Ok(Self {
            id: number(COLUMN_KEY).and_then(|id| u32::try_from(id).ok()),
            physical: text(PHYSICAL_KEY)?.to_owned(),
            field_id: field_id.ok_or_else(|| missing(FIELD_KEY))?,
            ty: serde_json::from_str(text(TYPE_KEY)?).map_err(|error| error.to_string())?,
            nullable: field.nullable,
            name: field.name,
        })
    }
}
