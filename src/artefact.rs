//! The container every binary file of this crate lives in, and the encoding of the fields inside.
//!
//! ```text
//! offset  size  what
//!      0     8  magic, `INFPROOF`; `INFSECRT` if the payload holds secrets
//!      8     4  kind tag, see [`Kind`]
//!     12     2  format version of that kind, little-endian
//!     14     8  length L of the payload in bytes, little-endian
//!     22     L  payload
//!   22+L    32  Keccak-256 of everything before it
//! ```
//!
//! The digest finds damage, not forgery: whoever can write the file can write its digest. What must not be forged
//! is bound elsewhere, by identifiers a verifier compares.

mod codec;
mod points;

pub use codec::{FieldError, Reader, Writer};
pub(crate) use points::checked_g2;
pub use points::{
    EncodingError, FR_BYTES, G1_BYTES, G2_BYTES, decode_fr, decode_g1, decode_g2, encode_fr, encode_g1, encode_g2,
};

use sha3::{Digest, Keccak256};
use std::{
    fmt, fs,
    io::{self, Read, Write},
    ops::Range,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// First bytes of an artefact that may be published.
pub const MAGIC: [u8; 8] = *b"INFPROOF";
/// First bytes of an artefact that holds secrets.
pub const SECRET_MAGIC: [u8; 8] = *b"INFSECRT";
/// Bytes read at a time where an artefact is not kept whole.
const BLOCK: u64 = 1 << 20;
/// Bytes before the payload.
pub const HEADER_BYTES: usize = 22;
/// Bytes of the digest after the payload.
pub const DIGEST_BYTES: usize = 32;

/// What an artefact holds, as the four bytes that say so in the file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(pub [u8; 4]);

impl Kind {
    /// A structured reference string.
    pub const SRS: Self = Self(*b"SRS\0");
    /// A quantised network.
    pub const NETWORK: Self = Self(*b"IFQ\0");
    /// A proving key.
    pub const PROVING_KEY: Self = Self(*b"PKEY");
    /// A verifying key.
    pub const VERIFYING_KEY: Self = Self(*b"VKEY");
    /// A commitment to a tensor.
    pub const TENSOR_COMMITMENT: Self = Self(*b"TCOM");
    /// What opens a commitment to a tensor.
    pub const TENSOR_OPENING: Self = Self(*b"TOPN");

    /// Whether such an artefact holds secrets. Its magic says so, and it is written for its owner only.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(&self.0, b"IFQ\0" | b"PKEY" | b"TOPN")
    }

    /// Whether nothing can make such a file again, so that no other kind of file takes its place.
    const fn is_irreplaceable(self) -> bool {
        matches!(&self.0, b"PKEY" | b"TOPN")
    }

    /// Most bytes that the payload of such an artefact has.
    const fn most_bytes(self) -> u64 {
        match &self.0 {
            b"VKEY" => 1 << 16,
            b"TCOM" => 1 << 12,
            b"IFQ\0" | b"PKEY" | b"TOPN" => 1 << 32,
            _ => u64::MAX,
        }
    }

    const fn magic(self) -> [u8; 8] {
        if self.is_secret() { SECRET_MAGIC } else { MAGIC }
    }

    /// What messages call this kind, with its article; `None` for a tag this build does not know.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::SRS => Some("a structured reference string"),
            Self::NETWORK => Some("a quantised network"),
            Self::PROVING_KEY => Some("a proving key"),
            Self::VERIFYING_KEY => Some("a verifying key"),
            Self::TENSOR_COMMITMENT => Some("a commitment to a tensor"),
            Self::TENSOR_OPENING => Some("the opening of a commitment to a tensor"),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            // A hostile tag must not reach a terminal as it is.
            None => write!(f, "an artefact of kind \"{}\"", self.0.escape_ascii()),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({})", self.0.escape_ascii())
    }
}

/// What some bytes look like, judged by their beginning only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// One of ours, with its format version.
    Artefact {
        /// What it holds.
        kind: Kind,
        /// The format version it was written in.
        version: u16,
    },
    /// A file of a format users of this crate have at hand; the name carries its article.
    Foreign(&'static str),
    /// One of ours, cut off inside the header.
    Stump,
    /// No bytes at all.
    Empty,
    /// Anything else.
    Unknown,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Artefact { kind, .. } => write!(f, "{kind}"),
            Self::Foreign(name) => f.write_str(name),
            Self::Stump => f.write_str("the first few bytes of an inferproof artefact"),
            Self::Empty => f.write_str("an empty file"),
            Self::Unknown => f.write_str("a file of no format known here"),
        }
    }
}

/// What [`identify`] calls an ONNX model.
pub const ONNX: &str = "an ONNX model";
/// What [`identify`] calls JSON.
pub const JSON: &str = "JSON text";

/// Says what `bytes` (the beginning of a file suffices, [`HEADER_BYTES`] of it) look like. Checks no digest.
pub fn identify(bytes: &[u8]) -> Identity {
    if bytes.is_empty() {
        return Identity::Empty;
    }
    if bytes.starts_with(&MAGIC) || bytes.starts_with(&SECRET_MAGIC) {
        return match bytes {
            [_, _, _, _, _, _, _, _, a, b, c, d, v0, v1, ..] => {
                Identity::Artefact { kind: Kind([*a, *b, *c, *d]), version: u16::from_le_bytes([*v0, *v1]) }
            }
            _ => Identity::Stump,
        };
    }
    match bytes {
        [b'p', b't', b'a', b'u', ..] => Identity::Foreign("a snarkjs powers-of-tau file"),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Identity::Foreign("a NumPy array (.npy)"),
        [b'P', b'K', 3, 4, ..] => Identity::Foreign("a zip or .npz archive"),
        [b'{', ..] => Identity::Foreign(JSON),
        // ModelProto: field 1 (ir_version, a small varint), then the producer's name or the graph.
        [0x08, 1..=0x1f, 0x12 | 0x3a | 0x42, ..] => Identity::Foreign(ONNX),
        _ => Identity::Unknown,
    }
}

/// Why a container could not be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArtefactError {
    /// The operating system refused.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Something that is never replaced is there.
    #[error("{} is there already, and it holds secrets that nothing can make again; write elsewhere", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// The bytes are something else than what was asked for.
    #[error("this is {found}, {expected} was expected")]
    WrongKind {
        /// What the bytes look like.
        found: Identity,
        /// What was asked for.
        expected: Kind,
    },
    /// The right kind, in a format this build does not read.
    #[error(
        "this is {kind} in format {found}, this build reads format {supported}: create it again with this version, or use the version that wrote it"
    )]
    Version {
        /// What it holds.
        kind: Kind,
        /// Format version in the file.
        found: u16,
        /// Format version this build reads.
        supported: u16,
    },
    /// Not text, where a JSON file was expected.
    #[error("this is {found}, a JSON file was expected")]
    NotText {
        /// What the bytes look like.
        found: Identity,
    },
    /// Longer than any such file that this build writes.
    #[error("this is longer than the {limit} bytes that such a file has at most")]
    TooLong {
        /// The limit.
        limit: u64,
    },
    /// The magic says otherwise than the kind whether secrets are inside.
    #[error("this is {kind}, but its first bytes are those of {}", if kind.is_secret() { "a public file" } else { "a secret one" })]
    Secrecy {
        /// What it holds.
        kind: Kind,
    },
    /// Shorter or longer than its header says.
    #[error(
        "{expected} bytes were expected from the header, there are {got}: it was cut short or added to, copy or create it again"
    )]
    Length {
        /// Bytes by the header.
        expected: u64,
        /// Bytes there are (at least, when there are too many).
        got: u64,
    },
    /// The content is not what was written.
    #[error("the Keccak-256 digest does not match: the content is damaged, copy or create it again")]
    Digest,
    /// A field of the payload cannot be decoded.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Any of the above, in this file.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ArtefactError>,
    },
}

impl ArtefactError {
    /// The error without the file name around it.
    pub fn cause(&self) -> &Self {
        match self {
            Self::InFile { source, .. } => source.cause(),
            other => other,
        }
    }

    /// Names the file the error is about, unless it does already.
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Io { .. } | Self::Exists { .. } | Self::InFile { .. } => self,
            other => Self::InFile { path: path.to_owned(), source: Box::new(other) },
        }
    }
}

/// Writes `payload` as an artefact, replacing `path` in one step.
///
/// The bytes go to a temporary file in the same folder, which is flushed to the disk and then renamed, so `path` holds
/// the old content or the new one, never a part. On Unix the file mode is 0600 for a kind that holds secrets, else what the process
/// gives any new file; a symbolic link at `path` is replaced, not followed.
///
/// # Errors
/// [`ArtefactError::Io`]; [`ArtefactError::Exists`] in the place of a proving key or an opening, but for one of the same kind; the temporary file is removed
/// and `path` is as it was.
pub fn write_atomic(path: &Path, kind: Kind, version: u16, payload: &[u8]) -> Result<(), ArtefactError> {
    let header = header(kind, version, payload.len() as u64);
    let digest = Keccak256::new().chain_update(header).chain_update(payload).finalize();
    // Three writes rather than one buffer: a secret payload gets no second copy in memory.
    replace(path, &[&header, payload, digest.as_slice()], kind.is_secret(), Some(kind))
}

/// As [`write_atomic`], but never replaces a file: for secrets that nothing can make again.
///
/// # Errors
/// [`ArtefactError::Exists`]; [`ArtefactError::Io`].
pub fn write_new(path: &Path, kind: Kind, version: u16, payload: &[u8]) -> Result<(), ArtefactError> {
    let header = header(kind, version, payload.len() as u64);
    let digest = Keccak256::new().chain_update(header).chain_update(payload).finalize();
    let temporary = prepare(path, &[&header, payload, digest.as_slice()], kind.is_secret())?;
    temporary.persist_noclobber(path).map_err(|e| match e.error.kind() {
        io::ErrorKind::AlreadyExists => ArtefactError::Exists { path: path.to_owned() },
        _ => ArtefactError::Io { action: "create", path: path.to_owned(), source: e.error },
    })?;
    flush_folder(path)
}

/// Replaces the file at `path` by the concatenation of `parts`, in one step and as [`write_atomic`] does it, with no
/// container around it; for its owner only if `secret`.
///
/// # Errors
/// [`ArtefactError::Io`]; [`ArtefactError::Exists`] if it is a proving key or an opening; `path` is as it was.
pub fn replace_file(path: &Path, parts: &[&[u8]], secret: bool) -> Result<(), ArtefactError> {
    replace(path, parts, secret, None)
}

/// Replaces a file, an irreplaceable one by one of its own `kind` only.
fn replace(path: &Path, parts: &[&[u8]], secret: bool, kind: Option<Kind>) -> Result<(), ArtefactError> {
    check_irreplaceable(path, kind)?;
    let fail =
        |e: tempfile::PersistError| ArtefactError::Io { action: "replace", path: path.to_owned(), source: e.error };
    prepare(path, parts, secret)?.persist(path).map_err(fail)?;
    flush_folder(path)
}

/// Whether a file can be written at `path`, before the work that makes it is done: its folder takes files, and what is there can be replaced.
///
/// # Errors
/// [`ArtefactError::Io`]; [`ArtefactError::Exists`] if it is a proving key or an opening.
pub fn check_writable(path: &Path) -> Result<(), ArtefactError> {
    check_replaceable(path, None)
}

/// As [`check_writable`], for a file that may take the place of another of its `kind`.
///
/// # Errors
/// As [`check_writable`].
pub fn check_replaceable(path: &Path, kind: Option<Kind>) -> Result<(), ArtefactError> {
    check_irreplaceable(path, kind)?;
    temporary(path, true).map(|_| ())
}

/// Refuses to replace what nothing can make again, or what cannot be read and so might be that, by another kind of file. A link is replaced, not what it
/// leads to.
fn check_irreplaceable(path: &Path, kind: Option<Kind>) -> Result<(), ArtefactError> {
    if !fs::symlink_metadata(path).is_ok_and(|there| there.is_file()) {
        return Ok(());
    }
    let fail = |source| ArtefactError::Io { action: "look at", path: path.to_owned(), source };
    let mut head = Vec::new();
    fs::File::open(path).and_then(|file| file.take(HEADER_BYTES as u64).read_to_end(&mut head)).map_err(fail)?;
    match identify(&head) {
        Identity::Artefact { kind: there, .. } if there.is_irreplaceable() && kind != Some(there) => {
            Err(ArtefactError::Exists { path: path.to_owned() })
        }
        _ => Ok(()),
    }
}

/// As [`check_writable`], for a file that is never replaced.
///
/// # Errors
/// [`ArtefactError::Exists`]; [`ArtefactError::Io`].
pub fn check_new(path: &Path) -> Result<(), ArtefactError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(ArtefactError::Exists { path: path.to_owned() }),
        Err(_) => check_writable(path),
    }
}

/// An empty temporary file beside `path`. What is neither a file nor a link is not replaced: a folder, a device, a pipe.
fn temporary(path: &Path, secret: bool) -> Result<tempfile::NamedTempFile, ArtefactError> {
    let fail = |action, source| ArtefactError::Io { action, path: path.to_owned(), source };
    if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file() && !there.is_symlink()) {
        return Err(fail("replace", io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")));
    }
    builder(secret).tempfile_in(folder(path)).map_err(|source| fail("create a temporary file next to", source))
}

/// The parts in a temporary file beside `path`, flushed to the disk.
fn prepare(path: &Path, parts: &[&[u8]], secret: bool) -> Result<tempfile::NamedTempFile, ArtefactError> {
    let fail = |action, source| ArtefactError::Io { action, path: path.to_owned(), source };
    let mut temporary = temporary(path, secret)?;
    for part in parts {
        temporary.write_all(part).map_err(|source| fail("write", source))?;
    }
    temporary.as_file().sync_all().map_err(|source| fail("flush", source))?;
    Ok(temporary)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn flush_folder(path: &Path) -> Result<(), ArtefactError> {
    let fail = |source| ArtefactError::Io { action: "flush the folder of", path: path.to_owned(), source };
    sync_folder(folder(path)).map_err(fail)
}

#[cfg(unix)]
fn builder(secret: bool) -> tempfile::Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt;
    // 0666 is what open(2) is given for any new file; the process's umask takes its part from it.
    let mode = if secret { 0o600 } else { 0o666 };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".inferproof-").permissions(fs::Permissions::from_mode(mode));
    builder
}

#[cfg(not(unix))]
fn builder(_secret: bool) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".inferproof-");
    builder
}

/// Makes the rename itself durable; only Unix lets a folder be opened for that.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Reads the payload of the artefact at `path`, which must be of this kind and format version.
///
/// Reads no more than the header before the kind is known, and no more than the header announces afterwards.
///
/// # Errors
/// [`ArtefactError::Io`], or any other variant inside [`ArtefactError::InFile`].
pub fn read(path: &Path, kind: Kind, supported_version: u16) -> Result<Vec<u8>, ArtefactError> {
    let fail = |source| ArtefactError::Io { action: "read", path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(fail)?;
    let mut bytes = Vec::new();
    (&file).take(HEADER_BYTES as u64).read_to_end(&mut bytes).map_err(fail)?;
    let length = parse_header(&bytes, kind, supported_version).map_err(|e| e.in_file(path))?;
    // One byte more than announced, to see that there is none. `read_to_end` grows with what arrives, so a header that
    // announces more than there is costs nothing.
    let rest = length.saturating_add(DIGEST_BYTES as u64 + 1);
    // What there is, at once: a buffer that grows leaves copies of a secret behind.
    let present = file.metadata().map_or(0, |metadata| metadata.len()).min(rest);
    let reserved = bytes.try_reserve_exact(usize::try_from(present).unwrap_or(usize::MAX));
    reserved.map_err(|_| fail(io::ErrorKind::OutOfMemory.into()))?;
    file.take(rest).read_to_end(&mut bytes).map_err(fail)?;
    check(&bytes, length).map_err(|e| e.in_file(path))?;
    bytes.truncate(bytes.len() - DIGEST_BYTES);
    bytes.drain(..HEADER_BYTES);
    Ok(bytes)
}

/// Reads a text file of at most `limit` bytes.
///
/// # Errors
/// [`ArtefactError::Io`]; [`ArtefactError::TooLong`] or [`ArtefactError::NotText`] inside [`ArtefactError::InFile`].
pub fn read_text(path: &Path, limit: u64) -> Result<String, ArtefactError> {
    let fail = |source| ArtefactError::Io { action: "read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to refuse the file, whatever its length claims to be.
    fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(ArtefactError::TooLong { limit }.in_file(path));
    }
    String::from_utf8(bytes).map_err(|e| ArtefactError::NotText { found: identify(e.as_bytes()) }.in_file(path))
}

/// Reads the artefact at `path` from front to back and returns those bytes of its payload that lie in the ranges that `choose` says, in order and
/// apart from each other: checks as [`read`] does, the digest of all of it included, but keeps no more than was asked for.
///
/// `choose` gets the first `head` bytes of the payload (at least one), or all if it is shorter, and the payload's length.
///
/// # Errors
/// As [`read`]; [`ArtefactError::Length`] too if a range ends after the payload; what `choose` returns.
pub fn read_ranges<E: From<ArtefactError>>(
    path: &Path,
    kind: Kind,
    supported_version: u16,
    head: u64,
    choose: impl FnOnce(&[u8], u64) -> Result<Vec<Range<u64>>, E>,
) -> Result<Vec<u8>, E> {
    let fail = |source| ArtefactError::Io { action: "read", path: path.to_owned(), source };
    let mut file = fs::File::open(path).map_err(fail)?;
    let mut block = Vec::new();
    (&file).take(HEADER_BYTES as u64).read_to_end(&mut block).map_err(fail)?;
    let payload = parse_header(&block, kind, supported_version).map_err(|e| e.in_file(path))?;
    let mut digest = Keccak256::new().chain_update(&block);
    block.clear();
    (&mut file).take(head.clamp(1, payload.max(1))).read_to_end(&mut block).map_err(fail)?;
    let ranges = choose(&block, payload)?;
    let (mut kept, mut offset) = (Vec::new(), 0);
    while !block.is_empty() {
        digest.update(&block);
        for range in &ranges {
            // Both lie within the block, so they fit a `usize`.
            let place = |at: u64| at.clamp(offset, offset + block.len() as u64).abs_diff(offset) as usize;
            kept.extend_from_slice(&block[place(range.start)..place(range.end.max(range.start))]);
        }
        offset += block.len() as u64;
        block.clear();
        (&mut file).take(payload.saturating_sub(offset).min(BLOCK)).read_to_end(&mut block).map_err(fail)?;
    }
    file.take(DIGEST_BYTES as u64 + 1).read_to_end(&mut block).map_err(fail)?;
    let around = (HEADER_BYTES + DIGEST_BYTES) as u64;
    let last = ranges.iter().map(|range| range.end).max().unwrap_or(0);
    let (expected, got) = (payload.max(last).saturating_add(around), HEADER_BYTES as u64 + offset + block.len() as u64);
    if got != expected {
        return Err(ArtefactError::Length { expected, got }.in_file(path).into());
    }
    if digest.finalize().as_slice() != block {
        return Err(ArtefactError::Digest.in_file(path).into());
    }
    Ok(kept)
}

/// Takes a whole artefact apart: checks kind, version, length and digest, and returns the payload.
///
/// # Errors
/// [`ArtefactError::WrongKind`], [`ArtefactError::Version`], [`ArtefactError::Length`], [`ArtefactError::Digest`].
pub fn decode(bytes: &[u8], kind: Kind, supported_version: u16) -> Result<&[u8], ArtefactError> {
    let length = parse_header(bytes, kind, supported_version)?;
    check(bytes, length)?;
    Ok(&bytes[HEADER_BYTES..bytes.len() - DIGEST_BYTES])
}

/// The bytes [`write_atomic`] would write.
pub fn encode(kind: Kind, version: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len() + DIGEST_BYTES);
    bytes.extend_from_slice(&header(kind, version, payload.len() as u64));
    bytes.extend_from_slice(payload);
    let digest = Keccak256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

fn header(kind: Kind, version: u16, payload_len: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&kind.magic());
    header[8..12].copy_from_slice(&kind.0);
    header[12..14].copy_from_slice(&version.to_le_bytes());
    header[14..].copy_from_slice(&payload_len.to_le_bytes());
    header
}

/// Checks the header at the start of `bytes` and returns the payload length it announces.
pub(crate) fn parse_header(bytes: &[u8], kind: Kind, supported: u16) -> Result<u64, ArtefactError> {
    let identity = identify(bytes);
    let Identity::Artefact { kind: found, version } = identity else {
        return Err(ArtefactError::WrongKind { found: identity, expected: kind });
    };
    if found != kind {
        return Err(ArtefactError::WrongKind { found: identity, expected: kind });
    }
    if version != supported {
        return Err(ArtefactError::Version { kind, found: version, supported });
    }
    if !bytes.starts_with(&kind.magic()) {
        return Err(ArtefactError::Secrecy { kind });
    }
    let mut length = [0; 8];
    match bytes.get(14..HEADER_BYTES) {
        Some(field) => length.copy_from_slice(field),
        None => {
            let expected = (HEADER_BYTES + DIGEST_BYTES) as u64;
            return Err(ArtefactError::Length { expected, got: bytes.len() as u64 });
        }
    }
    let (length, limit) = (u64::from_le_bytes(length), kind.most_bytes());
    if length > limit { Err(ArtefactError::TooLong { limit }) } else { Ok(length) }
}

/// Checks total length and digest of a whole artefact.
fn check(bytes: &[u8], payload_len: u64) -> Result<(), ArtefactError> {
    let expected = payload_len.saturating_add((HEADER_BYTES + DIGEST_BYTES) as u64);
    let got = bytes.len() as u64;
    if got != expected {
        return Err(ArtefactError::Length { expected, got });
    }
    let (content, digest) = bytes.split_at(bytes.len() - DIGEST_BYTES);
    if Keccak256::digest(content).as_slice() != digest {
        return Err(ArtefactError::Digest);
    }
    Ok(())
}
