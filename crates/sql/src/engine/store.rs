//! The object store that questions read history through: only the folders of the streams that
//! a question names, and only reading.

use std::{collections::BTreeMap, fmt, ops::Range, path::Path as FilePath, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    common::Result as EngineResult,
    execution::{cache::cache_manager::FileMetadataCache, object_store::ObjectStoreUrl},
};
use futures::stream::{self, BoxStream, StreamExt};
use mainstem_kernel::StreamId;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    local::LocalFileSystem, path::Path,
};

use super::files::history_url;

/// Folders of streams, by id: `16/_day=…/part-….parquet`.
#[derive(Debug)]
pub(crate) struct FileStore {
    folders: BTreeMap<StreamId, LocalFileSystem>,
    footers: Arc<FileMetadataCache>,
}

impl FileStore {
    /// A store without folders.
    pub(crate) fn new(footers: Arc<FileMetadataCache>) -> Self {
        Self {
            folders: BTreeMap::new(),
            footers,
        }
    }

    /// Footers of files that were read lately.
    pub(crate) fn footers(&self) -> &Arc<FileMetadataCache> {
        &self.footers
    }

    /// Adds a stream's folder.
    ///
    /// # Errors
    /// When the folder is not there.
    pub(crate) fn add(&mut self, stream: StreamId, folder: &FilePath) -> Result<()> {
        self.folders
            .insert(stream, LocalFileSystem::new_with_prefix(folder)?);
        Ok(())
    }

    /// The path of a stream's file here.
    pub(crate) fn path(&self, stream: StreamId, file: &str) -> String {
        format!("{stream}/{file}")
    }

    /// Where it is registered.
    ///
    /// # Errors
    /// Never, in practice.
    pub(crate) fn url(&self) -> EngineResult<ObjectStoreUrl> {
        history_url()
    }

    /// The folder of a path, and the rest of it.
    fn resolve(&self, path: &Path) -> Result<(&LocalFileSystem, Path)> {
        let refused = || Error::NotFound {
            path: path.to_string(),
            source: "it is in no stream of this question".into(),
        };
        let (stream, rest) = path.as_ref().split_once('/').ok_or_else(refused)?;
        let id = stream.parse().map(StreamId).map_err(|_number| refused())?;
        let folder = self.folders.get(&id).ok_or_else(refused)?;
        Ok((folder, Path::parse(rest)?))
    }
}

impl fmt::Display for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("history")
    }
}

/// Whatever is not reading.
fn read_only(operation: &str) -> Error {
    Error::NotSupported {
        source: format!("{operation} in history").into(),
    }
}

#[async_trait]
impl ObjectStore for FileStore {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only("writing"))
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only("writing"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (folder, path) = self.resolve(location)?;
        folder.get_opts(&path, options).await
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> Result<Vec<bytes::Bytes>> {
        let (folder, path) = self.resolve(location)?;
        folder.get_ranges(&path, ranges).await
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::once(async { Err(read_only("deleting")) }).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::once(async { Err(read_only("listing")) }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(read_only("listing"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only("copying"))
    }
}

/// A store that is shared by the plans of one question.
pub(crate) type SharedStore = Arc<FileStore>;
