//! Footers of history's files, read with one addition: a text column that is wholly encoded by
//! dictionary is given as dictionaries, so that a filter or a grouping looks at a text once per
//! dictionary and not once per row. It never changes a file.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use datafusion::{
    arrow::datatypes::{DataType, Field, Fields, Schema},
    common::Result,
    datasource::{
        listing::PartitionedFile,
        physical_plan::{
            ParquetFileReaderFactory,
            parquet::{CachedParquetFileReaderFactory, CachedParquetMetaData},
        },
    },
    execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache},
    parquet::{
        arrow::{
            ARROW_SCHEMA_META_KEY, arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader,
            encode_arrow_schema, parquet_to_arrow_schema,
        },
        basic::Encoding,
        errors::Result as ParquetResult,
        file::metadata::{FileMetaData, KeyValue, ParquetMetaData},
        schema::types::ColumnDescPtr,
    },
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures::{FutureExt, future::BoxFuture};
use object_store::{ObjectMeta, ObjectStore, path::Path};

/// Marks a footer that has the addition.
const MARK: &str = "mainstem.dictionaries";

/// Makes readers of files; their footers are kept from question to question.
#[derive(Debug)]
pub(crate) struct Footers {
    inner: CachedParquetFileReaderFactory,
    cache: Arc<FileMetadataCache>,
}

impl Footers {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, cache: Arc<FileMetadataCache>) -> Self {
        Self {
            inner: CachedParquetFileReaderFactory::new(store, Arc::clone(&cache)),
            cache,
        }
    }
}

impl ParquetFileReaderFactory for Footers {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let object = file.object_meta.clone();
        let inner = self
            .inner
            .create_reader(partition_index, file, size_hint, metrics)?;
        Ok(Box::new(Reader {
            inner,
            object,
            cache: Arc::clone(&self.cache),
        }))
    }
}

/// Reads one file.
struct Reader {
    inner: Box<dyn AsyncFileReader + Send>,
    object: ObjectMeta,
    cache: Arc<FileMetadataCache>,
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.inner.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.inner.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let footer = self.inner.get_metadata(options).await?;
            let keys = footer.file_metadata().key_value_metadata();
            if keys.is_some_and(|keys| keys.iter().any(|pair| pair.key == MARK)) {
                return Ok(footer);
            }
            let footer = Arc::new(with_dictionaries(&footer)?);
            let kept = Arc::new(CachedParquetMetaData::new(Arc::clone(&footer)));
            let entry = CachedFileMetadataEntry::new(self.object.clone(), kept);
            self.cache.put(&self.object.location, entry);
            Ok(footer)
        }
        .boxed()
    }
}

/// The footer of a file that was read lately.
pub(crate) fn known(cache: &FileMetadataCache, path: &str) -> Option<Arc<ParquetMetaData>> {
    let entry = cache.get(&Path::parse(path).ok()?)?;
    let footer = entry.file_metadata.as_any();
    let footer = footer.downcast_ref::<CachedParquetMetaData>()?;
    Some(Arc::clone(footer.parquet_metadata()))
}

/// The footer, telling Arrow to read columns as they are encoded.
fn with_dictionaries(footer: &ParquetMetaData) -> ParquetResult<ParquetMetaData> {
    let file = footer.file_metadata();
    let keys = file.key_value_metadata();
    let schema = parquet_to_arrow_schema(file.schema_descr(), keys)?;
    let fields: Fields = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 if is_coded(footer, field.name()) => {
                let field = Field::clone(field);
                Arc::new(field.with_data_type(dictionary()))
            }
            _ => Arc::clone(field),
        })
        .collect();
    let schema = encode_arrow_schema(&Schema::new_with_metadata(fields, schema.metadata));
    let mut keys = keys.cloned().unwrap_or_default();
    keys.retain(|pair| pair.key != ARROW_SCHEMA_META_KEY);
    keys.push(KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), schema));
    keys.push(KeyValue::new(MARK.to_owned(), None));
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        Some(keys),
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    );
    let mut old = footer.clone().into_builder();
    let index = (old.take_column_index(), old.take_offset_index());
    let new = ParquetMetaData::new(file, old.take_row_groups()).into_builder();
    let new = new.set_column_index(index.0).set_offset_index(index.1);
    Ok(new.build())
}

/// What a coded column is read as.
pub(crate) fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Whether all values of a column without nesting are in dictionaries.
pub(crate) fn is_coded(footer: &ParquetMetaData, name: &str) -> bool {
    let columns = footer.file_metadata().schema_descr().columns();
    let is_it = |column: &ColumnDescPtr| column.path().parts() == [name];
    let Some(index) = columns.iter().position(is_it) else {
        return false;
    };
    footer.row_groups().iter().all(|group| {
        let chunk = group.columns().get(index);
        let pages = chunk.and_then(|chunk| chunk.page_encoding_stats_mask());
        pages.is_some_and(|pages| pages.is_only(Encoding::RLE_DICTIONARY))
    })
}
