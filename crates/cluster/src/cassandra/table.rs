//! `RowTable`: the CQL table of one version of a view, and the statements on it. Pure.

use std::fmt::Write as _;

use mainstem_kernel::{ColumnName, ColumnType, Columns, StreamId, StreamName};

use super::CassandraError;
use crate::lower::VERSION_COLUMN;

/// The key of a view without one.
const KEY_COLUMN: &str = "_key";
/// Longest name of a table.
const NAME_MAX: usize = 48;

/// What a table is made for.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// The version of the view.
    pub id: StreamId,
    /// The view.
    pub name: StreamName,
    /// Its columns, hidden ones too.
    pub columns: Columns,
    /// The columns that tell its rows apart, in order.
    pub key: Vec<ColumnName>,
    /// The bounds of its window, among the key.
    pub window: Vec<ColumnName>,
}

/// The CQL table of one version of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowTable {
    keyspace: String,
    object: StreamId,
    name: String,
    cells: Vec<Cell>,
}

/// A column of the view in its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) name: String,
    pub(super) ty: ColumnType,
    pub(super) role: Role,
}

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Decides which nodes have the row.
    Partition,
    /// A bound of the window, in milliseconds: orders the rows of a partition.
    Bound,
    /// The same, of a view whose key is its window.
    PartitionBound,
    /// Neither.
    Value,
}

impl Role {
    /// Whether it tells rows apart.
    pub(super) const fn is_key(self) -> bool {
        !matches!(self, Self::Value)
    }

    /// Whether it is kept as a CQL timestamp.
    pub(super) const fn is_bound(self) -> bool {
        matches!(self, Self::Bound | Self::PartitionBound)
    }

    const fn is_partition(self) -> bool {
        matches!(self, Self::Partition | Self::PartitionBound)
    }
}

impl RowTable {
    /// The table of a view's version in a keyspace.
    ///
    /// # Errors
    /// `Key` when a column of the key may be NULL, or has a type that Cassandra has no keys of.
    pub fn of(spec: &TableSpec, keyspace: &str) -> Result<Self, CassandraError> {
        let has_others = spec.key.iter().any(|name| !spec.window.contains(name));
        let mut cells = Vec::with_capacity(spec.columns.0.len());
        for column in &spec.columns.0 {
            let is_key = spec.key.contains(&column.name);
            let refused = |reason| CassandraError::Key {
                view: spec.name.to_string(),
                column: column.name.to_string(),
                reason,
            };
            if is_key && column.nullable {
                return Err(refused("it may be NULL"));
            }
            if is_key && !column.ty.is_key() {
                return Err(refused("its type has no order that all engines agree on"));
            }
            let role = match (is_key, spec.window.contains(&column.name)) {
                (false, _) => Role::Value,
                (true, false) => Role::Partition,
                (true, true) if has_others => Role::Bound,
                (true, true) => Role::PartitionBound,
            };
            cells.push(Cell {
                name: column.name.to_string(),
                ty: column.ty.clone(),
                role,
            });
        }
        let id = spec.id.0.to_string();
        let room = NAME_MAX - id.len() - 1;
        let name: String = spec.name.as_str().chars().take(room).collect();
        Ok(Self {
            keyspace: keyspace.to_owned(),
            object: spec.id,
            name: format!("{name}_{id}"),
            cells,
        })
    }

    /// The same under the name that it was made with: that stays when the object is renamed.
    #[cfg(feature = "engines")]
    pub(super) fn called(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// The object whose rows it has.
    #[must_use]
    pub const fn object(&self) -> StreamId {
        self.object
    }

    /// Whether a table of this name is that of an object: its id is behind the last underscore.
    #[must_use]
    pub fn is_of(name: &str, object: StreamId) -> bool {
        let id = name.rsplit_once('_').map(|(_, id)| id);
        id.is_some_and(|id| id == object.0.to_string())
    }

    /// Its name, without the keyspace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its keyspace.
    #[must_use]
    pub fn keyspace(&self) -> &str {
        &self.keyspace
    }

    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The columns of its key, in the order of the view's columns.
    pub(super) fn key(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| cell.role.is_key())
    }

    /// The columns of its key alone.
    #[cfg(feature = "engines")]
    pub(super) fn of_key(&self) -> Self {
        Self {
            cells: self.key().cloned().collect(),
            ..self.clone()
        }
    }

    /// Some columns of its key alone, in their order.
    #[cfg(feature = "engines")]
    pub(super) fn part(&self, names: &[String]) -> Result<Self, String> {
        let cell = |name: &String| {
            let cell = self.key().find(|cell| cell.name == *name).cloned();
            cell.ok_or_else(|| format!("column \"{name}\" is not of the key"))
        };
        Ok(Self {
            cells: names.iter().map(cell).collect::<Result<_, _>>()?,
            ..self.clone()
        })
    }

    /// Whether the view has no key, so that there is one row.
    pub(super) fn is_single(&self) -> bool {
        self.key().next().is_none()
    }

    /// `CREATE TABLE`.
    #[must_use]
    pub fn create(&self) -> String {
        let mut text = format!("CREATE TABLE IF NOT EXISTS {} (", self.path());
        for (name, ty) in self.declared() {
            let _infallible = write!(text, "\"{name}\" {ty}, ");
        }
        let of = |is_it: fn(Role) -> bool| {
            let own = self.cells.iter().filter(|cell| is_it(cell.role));
            own.map(|cell| format!("\"{}\"", cell.name))
                .collect::<Vec<_>>()
        };
        let mut partition = of(Role::is_partition);
        if partition.is_empty() {
            partition.push(format!("\"{KEY_COLUMN}\""));
        }
        let bounds = of(|role| role == Role::Bound);
        let _infallible = write!(text, "PRIMARY KEY (({})", partition.join(", "));
        for bound in &bounds {
            let _infallible = write!(text, ", {bound}");
        }
        let _infallible = write!(text, ")) WITH ID = {}", self.id());
        if !bounds.is_empty() {
            let order: Vec<_> = bounds.iter().map(|bound| format!("{bound} DESC")).collect();
            let _infallible = write!(text, " AND CLUSTERING ORDER BY ({})", order.join(", "));
        }
        text
    }

    /// Cassandra's own id of the table, which the name decides: two nodes that make it at once make
    /// the same one. Of its own choice each would give it another, and rows would get lost between.
    fn id(&self) -> String {
        let name = format!("{}.{}", self.keyspace, self.name);
        let half = |salt: u8| {
            let bytes = name.bytes().chain([salt]);
            // FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
        };
        let (high, low) = (half(0), half(1));
        // Version 8 and variant 1: RFC 9562, section 5.8.
        let (third, fourth) = ((high & 0x0fff) | 0x8000, ((low >> 48) & 0x3fff) | 0x8000);
        let (first, second) = (high >> 32, (high >> 16) & 0xffff);
        let fifth = low & 0xffff_ffff_ffff;
        format!("{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{fifth:012x}")
    }

    /// `ALTER TABLE` for a column that was declared later; none for one of the key, which is there
    /// from the beginning.
    pub(super) fn add(&self, column: &str) -> Option<String> {
        let cell = self.cells.iter().find(|cell| cell.name == column)?;
        let path = self.path();
        let ty = cell.cql();
        (!cell.role.is_key())
            .then(|| format!("ALTER TABLE {path} ADD IF NOT EXISTS \"{column}\" {ty}"))
    }

    /// The columns of the table and their CQL types.
    pub(super) fn declared(&self) -> Vec<(&str, &'static str)> {
        let cells = self.cells.iter();
        let mut all: Vec<_> = cells.map(|cell| (cell.name.as_str(), cell.cql())).collect();
        if self.is_single() {
            all.push((KEY_COLUMN, "smallint"));
        }
        all.push((VERSION_COLUMN, "bigint"));
        all
    }

    /// `INSERT`: the columns as declared, then the timestamp.
    pub(super) fn insert(&self) -> String {
        let names: Vec<_> = self
            .declared()
            .into_iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        let marks = vec!["?"; names.len()].join(", ");
        let (path, names) = (self.path(), names.join(", "));
        format!("INSERT INTO {path} ({names}) VALUES ({marks}) USING TIMESTAMP ?")
    }

    /// `DELETE`: the timestamp, then the key.
    pub(super) fn delete(&self) -> String {
        format!(
            "DELETE FROM {} USING TIMESTAMP ? WHERE {}",
            self.path(),
            self.is_row()
        )
    }

    /// `SELECT` of all keys, as `DELETE` takes them, and when their rows were written.
    #[cfg(feature = "engines")]
    pub(super) fn written(&self) -> String {
        let mut names: Vec<_> = self
            .key()
            .map(|cell| format!("\"{}\"", cell.name))
            .collect();
        if names.is_empty() {
            names.push(format!("\"{KEY_COLUMN}\""));
        }
        format!(
            "SELECT {}, WRITETIME(\"{VERSION_COLUMN}\") FROM {}",
            names.join(", "),
            self.path()
        )
    }

    /// `SELECT` of one row by its key: the columns as declared.
    pub(super) fn select(&self) -> String {
        let names: Vec<_> = self
            .declared()
            .into_iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        format!(
            "SELECT {} FROM {} WHERE {}",
            names.join(", "),
            self.path(),
            self.is_row()
        )
    }

    /// `SELECT` of the rows with these columns of the key: the columns as declared. Cassandra goes
    /// through all rows for it, unless the columns begin its primary key.
    pub(super) fn slice(&self, given: &[String]) -> String {
        let names: Vec<_> = self
            .declared()
            .into_iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        let mut text = format!("SELECT {} FROM {}", names.join(", "), self.path());
        if !given.is_empty() {
            let equal: Vec<_> = given.iter().map(|name| format!("\"{name}\" = ?")).collect();
            let _infallible = write!(text, " WHERE {}", equal.join(" AND "));
        }
        if !given.is_empty() && !self.begins(given) {
            text.push_str(" ALLOW FILTERING");
        }
        text
    }

    /// Whether these columns are all of the partition, and the first ones of those that order it.
    fn begins(&self, given: &[String]) -> bool {
        let is_given = |cell: &&Cell| given.contains(&cell.name);
        let mut partition = self.cells.iter().filter(|cell| cell.role.is_partition());
        let mut bounds = self.cells.iter().filter(|cell| cell.role == Role::Bound);
        // Behind the first one that is not given there is none.
        partition.all(|cell| is_given(&cell))
            && !bounds
                .by_ref()
                .skip_while(is_given)
                .any(|cell| is_given(&cell))
    }

    fn is_row(&self) -> String {
        if self.is_single() {
            return format!("\"{KEY_COLUMN}\" = ?");
        }
        let equal: Vec<_> = self
            .key()
            .map(|cell| format!("\"{}\" = ?", cell.name))
            .collect();
        equal.join(" AND ")
    }

    fn path(&self) -> String {
        format!("\"{}\".\"{}\"", self.keyspace, self.name)
    }
}

impl Cell {
    /// Its type in CQL.
    const fn cql(&self) -> &'static str {
        match self.role.is_bound() {
            true => "timestamp",
            false => cql(&self.ty),
        }
    }
}

const fn cql(ty: &ColumnType) -> &'static str {
    match ty {
        ColumnType::Boolean => "boolean",
        ColumnType::SmallInt => "smallint",
        ColumnType::Integer => "int",
        ColumnType::BigInt | ColumnType::TimestampTz => "bigint",
        ColumnType::Real => "float",
        ColumnType::Double => "double",
        ColumnType::Numeric { .. } => "decimal",
        // A CQL list has no NULLs, and a tuple no names: these are kept as JSON.
        ColumnType::Text | ColumnType::Json | ColumnType::Array(_) | ColumnType::Row(_) => "text",
        ColumnType::Bytea => "blob",
        ColumnType::Uuid => "uuid",
        ColumnType::Date => "date",
    }
}

#[cfg(test)]
mod tests;
