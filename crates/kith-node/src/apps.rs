//! Installed apps: reading their files, listing, publishing, installing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use data_encoding::BASE64;
use kith_api::{
    AppInfo, AppUpdate, Error, ErrorCode, File, FileUse, KeyInfo, Publish, Published, Result,
    Traffic,
};
use kith_app::{
    AppId, AppSecret, Bundle, BundleError, Limits, MAX_BUNDLE, Permission, SignedVersion,
    content_type,
};
use tokio::sync::Semaphore;

use kith_overlay::storage::BlobScope;

use crate::bundled;
use crate::store::{AppRecord, Store, StoreError};

/// Bytes of bundles kept in memory while their pages are in use: 16 MiB. A larger bundle is read anew
/// for each file.
const MAX_CACHED: usize = 16 << 20;
/// Publishing keys of a node. A program that makes them in a loop finds an end.
const MAX_KEYS: usize = 1_024;
/// Longest name of a publishing key, in bytes.
const MAX_KEY_NAME: usize = 64;

type Open = Bundle<std::io::Cursor<Bytes>>;

/// The installed apps.
pub(crate) struct AppStore {
    store: Store,
    cache: Mutex<Cache>,
    /// Who reads a bundle that is too large for the cache: one at a time, or a page that asks for
    /// many files would have it in memory many times.
    large: Arc<Semaphore>,
    /// All of them without their icons, until one is installed.
    listed: Mutex<Option<Arc<[AppRecord]>>>,
    /// Newer versions that wait for the person's word.
    offered: Mutex<BTreeMap<AppId, AppUpdate>>,
}

/// Bundles in memory, the last used at the back.
#[derive(Default)]
struct Cache {
    open: VecDeque<([u8; 32], usize, Open)>,
    bytes: usize,
}

impl AppStore {
    pub(crate) fn new(store: Store) -> Self {
        let large = Arc::new(Semaphore::new(1));
        let (cache, listed, offered) = Default::default();
        Self { store, cache, large, listed, offered }
    }

    /// Brings the apps of this binary into the store.
    pub(crate) async fn install_bundled(&self, now: u64) -> Result<()> {
        for app in bundled::all() {
            let (bundle, signed) = app.pack();
            if self.store.app(&app.id())?.is_some_and(|held| held.signed == signed) {
                continue;
            }
            let mut bundle = Bundle::open(std::io::Cursor::new(bundle), &Limits::default())
                .expect("a test opens every bundled app");
            self.put(record(&mut bundle, signed, true, app.name, now)?).await?;
        }
        Ok(())
    }

    /// Installs a version. The files of the one before it stay, for the pages that run it.
    pub(crate) async fn put(&self, record: AppRecord) -> Result<()> {
        let app = record.signed.app();
        let installed = self.store.update_app(record).await;
        // It may be installed although a bundle without use could not be deleted.
        self.forget(&app);
        Ok(installed?)
    }

    /// Forgets what is known of an app: it has changed.
    pub(crate) fn forget(&self, app: &AppId) {
        *self.listed.lock().expect("no panic while held") = None;
        let mut offered = self.offered.lock().expect("no panic while held");
        let waiting = self.store.update_of(app).ok().flatten();
        if waiting.map(|waiting| waiting.version()) != offered.get(app).map(|one| one.version) {
            offered.remove(app);
        }
    }

    /// A newer version of an app waits.
    pub(crate) fn offer(&self, update: AppUpdate, held: &AppRecord) {
        let mut offered = self.offered.lock().expect("no panic while held");
        offered.insert(held.signed.app(), update);
    }

    /// All apps without their icons, which are large: for who looks often.
    pub(crate) fn listed(&self) -> Result<Arc<[AppRecord]>> {
        let mut listed = self.listed.lock().expect("no panic while held");
        if let Some(listed) = &*listed {
            return Ok(listed.clone());
        }
        let mut apps = self.store.apps()?;
        apps.iter_mut().for_each(|app| app.icon = None);
        Ok(listed.insert(apps.into()).clone())
    }

    /// The ids of the apps that this node can publish.
    pub(crate) fn ours(&self) -> Result<BTreeSet<AppId>> {
        Ok(self.store.keys()?.iter().map(|(_, secret)| secret.id()).collect())
    }

    /// A file of a version that is here.
    pub(crate) async fn file(&self, version: &SignedVersion, path: &str) -> Result<File> {
        if let Some(bundled) = bundled::find(&version.app()) {
            let bytes = bundled.file(path).ok_or_else(|| no_file(path))?;
            return Ok(to_file(path, bytes.to_vec()));
        }
        let is_large = version.size() > MAX_CACHED as u64;
        // It is never closed.
        let turn = if is_large { self.large.clone().acquire_owned().await.ok() } else { None };
        let mut bundle = self.open(version.bundle()).await?;
        let path = path.to_owned();
        // Inflating a large file takes longer than a task may hold its thread.
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            match bundle.file(&path) {
                Ok(bytes) => Ok(to_file(&path, bytes)),
                Err(BundleError::NotFound(_)) => Err(no_file(&path)),
                Err(error) => Err(bad_bundle(&error)),
            }
        })
        .await
        .map_err(|_| Error::new(ErrorCode::Internal, "The file could not be read."))?
    }

    async fn open(&self, hash: [u8; 32]) -> Result<Open> {
        if let Some(open) = self.cached(&hash) {
            return Ok(open);
        }
        let bytes = match self.store.whole_blob(&hash).await {
            Err(StoreError::Damaged) => {
                tracing::warn!("the bundle of an app is damaged; it must be fetched again");
                self.store.delete_damaged_blob(&hash).await?;
                Err(StoreError::Damaged)
            }
            read => read,
        }?;
        let open = Bundle::open(std::io::Cursor::new(bytes.clone()), &Limits::default())
            .map_err(|error| bad_bundle(&error))?;
        let mut cache = self.cache.lock().expect("no panic while held");
        if bytes.len() <= MAX_CACHED && !cache.open.iter().any(|(held, ..)| *held == hash) {
            cache.bytes += bytes.len();
            cache.open.push_back((hash, bytes.len(), open.clone()));
            while cache.bytes > MAX_CACHED {
                let Some((_, size, _)) = cache.open.pop_front() else { break };
                cache.bytes -= size;
            }
        }
        Ok(open)
    }

    fn cached(&self, hash: &[u8; 32]) -> Option<Open> {
        let mut cache = self.cache.lock().expect("no panic while held");
        let at = cache.open.iter().position(|(held, ..)| held == hash)?;
        let found = cache.open.remove(at)?;
        let open = found.2.clone();
        cache.open.push_back(found);
        Some(open)
    }

    /// Whether an app's files are here.
    pub(crate) fn installed(&self, app: &AppId) -> bool {
        self.store.app(app).is_ok_and(|app| app.is_some_and(|app| self.is_here(&app)))
    }

    /// Whether the bundle of an app is here, which a failing disk may have taken.
    fn is_here(&self, record: &AppRecord) -> bool {
        record.bundled || self.store.has_bundle(&record.signed).unwrap_or(false)
    }

    /// What the person granted an app; `None` where its files are not here.
    pub(crate) fn granted(&self, app: &AppId) -> Option<Vec<Permission>> {
        let record = self.store.app(app).ok()?.filter(|record| self.is_here(record))?;
        Some(granted(&record).collect())
    }

    /// An app as the person sees it.
    pub(crate) fn info(
        &self,
        record: &AppRecord,
        ours: &BTreeSet<AppId>,
        traffic: Traffic,
        spaces: u32,
    ) -> Result<AppInfo> {
        let app = record.signed.app();
        let offered = self.offered.lock().expect("no panic while held").get(&app).cloned();
        Ok(AppInfo {
            app: app.to_string(),
            name: record.name.clone(),
            description: record.description.clone(),
            version: record.signed.version(),
            size: record.signed.size(),
            bundled: record.bundled,
            ours: ours.contains(&app),
            icon: record.icon.clone(),
            permissions: granted(record).map(|one| one.words().to_owned()).collect(),
            disk: self.store.app_usage(&app)?.bytes,
            traffic,
            spaces,
            update: offered.filter(|new| new.version > record.signed.version()).map(Box::new),
            behind: 0,
            files: FileUse::default(),
        })
    }

    /// An installed app by its id, or by its name where only one has it.
    pub(crate) fn resolve(&self, text: &str) -> Result<AppRecord> {
        if let Ok(id) = text.parse::<AppId>() {
            return self.store.app(&id)?.ok_or_else(no_app);
        }
        let mut named = self.store.apps()?;
        named.retain(|app| app.name.eq_ignore_ascii_case(text));
        match (named.pop(), named.is_empty()) {
            (Some(app), true) => Ok(app),
            (Some(_), false) => {
                Err(Error::new(ErrorCode::NotFound, "Several apps have this name.")
                    .todo("Name it by its id: “kith apps” lists them."))
            }
            (None, _) => Err(no_app()),
        }
    }

    /// A fetched app, before it is installed.
    pub(crate) async fn preview(&self, signed: SignedVersion) -> Result<AppInfo> {
        let record = self.checked(signed, 0).await?;
        self.unused(&record)
    }

    /// An app as the person sees it who has not used it yet.
    pub(crate) fn unused(&self, record: &AppRecord) -> Result<AppInfo> {
        self.info(record, &self.ours()?, Traffic::default(), 0)
    }

    /// Checks every file of a fetched bundle, and installs it.
    pub(crate) async fn install(&self, signed: SignedVersion, now: u64) -> Result<AppRecord> {
        let record = self.checked(signed, now).await?;
        self.put(record.clone()).await?;
        Ok(record)
    }

    /// Checks every file of a version's bundle.
    pub(crate) async fn checked(&self, signed: SignedVersion, now: u64) -> Result<AppRecord> {
        let mut open = self.open(signed.bundle()).await?;
        tokio::task::spawn_blocking(move || {
            open.check_files().map_err(|error| bad_bundle(&error))?;
            record(&mut open, signed, false, "app", now)
        })
        .await
        .map_err(|_| Error::new(ErrorCode::Internal, "The bundle could not be checked."))?
    }

    /// Signs, stores and installs a bundle of the person's own.
    pub(crate) async fn publish(&self, publish: Publish, now: u64) -> Result<AppRecord> {
        let path = PathBuf::from(&publish.path);
        if !path.is_absolute() {
            return Err(Error::new(ErrorCode::InvalidParams, "The path must be absolute."));
        }
        let read = path.clone();
        let (bytes, name) = tokio::task::spawn_blocking(move || read_bundle(&read))
            .await
            .map_err(|_| Error::new(ErrorCode::Internal, "The bundle could not be read."))??;
        let key_name = publish.key.unwrap_or_else(|| name.clone());
        let secret = self.key(&key_name).await?;
        let app = secret.id();
        let size = bytes.len() as u64;
        let hash = *blake3::hash(&bytes).as_bytes();
        let held = self.store.app(&app)?;
        let same = |held: &&AppRecord| held.signed.bundle() == hash && self.is_here(held);
        if let Some(held) = held.as_ref().filter(same) {
            return Ok(held.clone());
        }
        let version = held.map_or(Some(1), |held| held.signed.version().checked_add(1));
        let version = version.ok_or_else(|| {
            Error::new(ErrorCode::OlderVersion, "There is no higher version of this app.")
                .todo("Publish it under another key.")
        })?;
        let signed = SignedVersion::sign(&secret, version, hash, size).map_err(|error| {
            Error::new(ErrorCode::BadBundle, "The bundle can't be signed.").why(error.to_string())
        })?;
        self.store.add_blob(BlobScope::Public, bytes.into()).await?;
        let mut open = self.open(hash).await?;
        let record = record(&mut open, signed, false, &name, now)?;
        self.put(record.clone()).await?;
        Ok(record)
    }

    /// What was published, with its link.
    pub(crate) fn published(record: &AppRecord, link: String) -> Published {
        let signed = &record.signed;
        Published { link, app: signed.app().to_string(), version: signed.version() }
    }

    async fn key(&self, name: &str) -> Result<AppSecret> {
        if let Some(secret) = self.store.key(name)? {
            return Ok(secret);
        }
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| {
            Error::new(ErrorCode::Internal, "No random bytes.").why(error.to_string())
        })?;
        let secret = AppSecret::from_seed(&seed);
        self.add_key(name, &secret).await?;
        Ok(secret)
    }

    async fn add_key(&self, name: &str, secret: &AppSecret) -> Result<()> {
        if name.is_empty() || name.len() > MAX_KEY_NAME || name.chars().any(char::is_control) {
            return Err(Error::new(ErrorCode::InvalidParams, "A key's name has 1 to 64 bytes."));
        }
        if self.store.keys()?.len() >= MAX_KEYS {
            return Err(Error::new(ErrorCode::TooMany, "There are 1,024 publishing keys already."));
        }
        Ok(self.store.add_key(name, secret).await?)
    }

    /// The publishing keys.
    pub(crate) fn keys(&self) -> Result<Vec<KeyInfo>> {
        let keys = self.store.keys()?;
        Ok(keys
            .into_iter()
            .map(|(name, secret)| KeyInfo { name, app: secret.id().to_string() })
            .collect())
    }

    /// A publishing key by its name or its app's id.
    pub(crate) fn find_key(&self, text: &str) -> Result<(String, AppSecret)> {
        let mut keys = self.store.keys()?.into_iter();
        keys.find(|(name, secret)| name == text || secret.id().to_string() == text).ok_or_else(
            || {
                Error::new(ErrorCode::NotFound, "There is no such publishing key.")
                    .todo("“kith key” lists those of this node.")
            },
        )
    }

    /// Takes a key in.
    pub(crate) async fn import_key(&self, name: &str, secret: &str) -> Result<KeyInfo> {
        let secret = AppSecret::import(secret.trim()).map_err(|error| {
            Error::new(ErrorCode::InvalidParams, "This is not an exported key.")
                .why(error.to_string())
        })?;
        self.add_key(name, &secret).await?;
        Ok(KeyInfo { name: name.to_owned(), app: secret.id().to_string() })
    }
}

/// The permissions of a record that this kith knows.
pub(crate) fn granted(record: &AppRecord) -> impl Iterator<Item = Permission> {
    record.granted.iter().filter_map(|name| Permission::from_name(name))
}

/// The store's record of a bundle.
fn record<R: std::io::Read + std::io::Seek>(
    bundle: &mut Bundle<R>,
    signed: SignedVersion,
    bundled: bool,
    file_name: &str,
    now: u64,
) -> Result<AppRecord> {
    let icon = bundle.icon().map_err(|error| bad_bundle(&error))?;
    let manifest = bundle.manifest();
    Ok(AppRecord {
        signed,
        bundled,
        name: manifest.name_or(file_name).to_owned(),
        description: manifest.description.clone(),
        icon: icon.map(|(kind, bytes)| format!("data:{kind};base64,{}", BASE64.encode(&bytes))),
        granted: manifest
            .permissions
            .iter()
            .map(|permission| permission.name().to_owned())
            .collect(),
        installed: now,
    })
}

fn to_file(path: &str, bytes: Vec<u8>) -> File {
    let hash = *blake3::hash(&bytes).as_bytes();
    File { bytes: bytes.into(), hash, content_type: content_type(path) }
}

/// The bytes of a bundle file, or of a folder packed into one, and its name.
fn read_bundle(path: &Path) -> Result<(Vec<u8>, String)> {
    let unreadable = |error: std::io::Error| {
        Error::new(ErrorCode::NotFound, format!("{} can't be read.", path.display()))
            .why(error.to_string())
    };
    let name =
        path.file_name().map_or_else(|| "app".into(), |name| name.to_string_lossy().into_owned());
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    let bytes = if metadata.is_dir() {
        let mut files = Vec::new();
        collect(path, path, &mut files, &mut 0)?;
        kith_app::pack(files).map_err(|error| bad_bundle(&error))?
    } else if !metadata.is_file() {
        let special = path.display().to_string();
        return Err(bad_bundle(&BundleError::Special(special)));
    } else {
        if metadata.len() > MAX_BUNDLE {
            return Err(bad_bundle(&BundleError::TooLarge {
                size: metadata.len(),
                limit: MAX_BUNDLE,
            }));
        }
        std::fs::read(path).map_err(unreadable)?
    };
    let mut open = Bundle::open(std::io::Cursor::new(&bytes), &Limits::default())
        .map_err(|error| bad_bundle(&error))?;
    open.check_files().map_err(|error| bad_bundle(&error))?;
    let name = open.manifest().name_or(&name).to_owned();
    Ok((bytes, name))
}

/// Every plain file below `dir`, by its path from `root`. Hidden files stay out, links are refused.
/// `total` counts their bytes.
fn collect(
    root: &Path,
    dir: &Path,
    files: &mut Vec<(String, Vec<u8>)>,
    total: &mut u64,
) -> Result<()> {
    let limits = Limits::default();
    let unreadable = |path: &Path, error: std::io::Error| {
        Error::new(ErrorCode::NotFound, format!("{} can't be read.", path.display()))
            .why(error.to_string())
    };
    for entry in std::fs::read_dir(dir).map_err(|error| unreadable(dir, error))? {
        let entry = entry.map_err(|error| unreadable(dir, error))?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(|error| unreadable(&path, error))?;
        if kind.is_dir() {
            collect(root, &path, files, total)?;
            continue;
        }
        let inside = path.strip_prefix(root).expect("below its root");
        let Some(name) = inside.to_str() else {
            return Err(bad_bundle(&BundleError::NameNotText(
                inside.to_string_lossy().into_owned(),
            )));
        };
        let name = name.replace(std::path::MAIN_SEPARATOR, "/");
        if !kind.is_file() {
            return Err(bad_bundle(&BundleError::Special(name)));
        }
        if files.len() == limits.files {
            let found = files.len() + 1;
            return Err(bad_bundle(&BundleError::TooManyFiles { found, limit: files.len() }));
        }
        *total += entry.metadata().map_err(|error| unreadable(&path, error))?.len();
        if *total > limits.total {
            return Err(bad_bundle(&BundleError::TooLarge { size: *total, limit: limits.total }));
        }
        files.push((name, std::fs::read(&path).map_err(|error| unreadable(&path, error))?));
    }
    Ok(())
}

fn bad_bundle(error: &BundleError) -> Error {
    Error::new(ErrorCode::BadBundle, "This bundle can't be used.")
        .why(format!("It is refused: {error}."))
}

pub(crate) fn no_app() -> Error {
    Error::new(ErrorCode::NotFound, "There is no such app here.").todo("“kith apps” lists them.")
}

fn no_file(path: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("The app has no file “{path}”."))
}
