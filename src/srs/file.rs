//! The file of an SRS.
//!
//! ```text
//! payload = u32 length of the verifier's part | verifier's part | its digest (32 bytes)
//!         | [tau^i]_1 for i < 2^k + 2
//!         | for k' = 1..=k: [L_i(tau)]_1 for i < 2^k'
//!
//! verifier's part = u32 k | insecure flag (1 byte) | origin (u64 length, bytes)
//!         | [tau^(2^j)]_2 for j < k
//!         | [tau^(2^j)]_1 for j <= k
//!         | for k' = 1..=k: [L_i(tau)]_1 for i = n-2, n-1, 2 mod n, with n = 2^k'
//! ```
//!
//! The verifier's part comes first and has a digest of its own, so that a verifier reads and hashes a few kilobytes
//! of a file of megabytes. A digest proves nothing about points, so the part has what it takes to check them by
//! pairings against `[tau]_2`, which the identifier of the SRS covers; see [`SrsVerifier::check`].

use super::verifier::{VERIFIER_ROWS, verifier_points};
use super::{MAX_K, MAX_ORIGIN, Srs, SrsError, SrsVerifier, check, squares};
use crate::artefact::{
    self, ArtefactError, DIGEST_BYTES, FieldError, G1_BYTES, G2_BYTES, HEADER_BYTES, Kind, Reader, Writer,
};
use halo2_proofs::halo2curves::bn256::G1Affine;
use sha3::{Digest, Keccak256};
use std::{
    fs,
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
};

/// Version of the file format this build writes and reads.
pub const FORMAT: u16 = 2;

/// Longest verifier's part: k, flag, length and bytes of the origin, squares in G2 and in G1, Lagrange points.
const MAX_PART: u32 = 4
    + 1
    + 8
    + MAX_ORIGIN as u32
    + G2_BYTES as u32 * MAX_K
    + G1_BYTES as u32 * ((1 + VERIFIER_ROWS as u32) * MAX_K + 1);

impl Srs {
    /// Writes the SRS, replacing `path` in one step; see [`artefact::write_atomic`].
    ///
    /// # Errors
    /// [`SrsError::Artefact`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SrsError> {
        artefact::write_atomic(path, Kind::SRS, FORMAT, &self.encode()?)?;
        Ok(())
    }

    /// Reads an SRS to prove with: checks the digest, the encoding and that every point is on the curve and not the
    /// identity, and the verifier's part as [`SrsVerifier::decode`] does. Does NOT check that the other points belong
    /// together: [`Srs::verify`] does, once, at setup.
    ///
    /// Cost: about 0.35 CPU microseconds a point, the digest included, and that of the verifier's part. Memory: the file, and its
    /// points.
    ///
    /// # Errors
    /// Any [`SrsError`] about reading, with the file's name.
    pub fn read(path: &Path) -> Result<Self, SrsError> {
        let payload = artefact::read(path, Kind::SRS, FORMAT)?;
        Self::decode(&payload).map_err(|error| name_file(error, path))
    }

    /// As [`Srs::read`], for circuits of at most 2^k rows: keeps of a larger SRS what those need, as if it had been made for `k`.
    ///
    /// Memory: that of what is kept. Cost: the digest of the whole file, the rest for what is kept.
    ///
    /// # Errors
    /// Any [`SrsError`] about reading, with the file's name. A smaller SRS is returned as it is.
    pub fn read_up_to(path: &Path, k: u32) -> Result<Self, SrsError> {
        let head = 4 + u64::from(MAX_PART) + DIGEST_BYTES as u64;
        let mut part = None;
        let kept = artefact::read_ranges(path, Kind::SRS, FORMAT, head, |head, payload| {
            let (ranges, truncated) = choose(head, payload, k).map_err(|error| name_file(error, path))?;
            part = Some(truncated);
            Ok::<_, SrsError>(ranges)
        })?;
        let part = part.expect("chosen before anything is kept");
        Self::decode_points(part, Reader::new(&kept)).map_err(|error| name_file(error, path))
    }

    /// Reads the verifier's part of the file at `path`, and nothing else of it: its own digest is checked, and
    /// its points against `[tau]_2` ([`SrsVerifier::check`]). The digest of the file is not, and of the points after
    /// the part only that the file has the length for them.
    ///
    /// An SRS with the right [`SrsVerifier::srs_id`] therefore has the right points, whoever wrote the file.
    ///
    /// # Errors
    /// Any [`SrsError`] about reading, with the file's name.
    pub fn read_verifier_part(path: &Path) -> Result<SrsVerifier, SrsError> {
        let fail = |source| ArtefactError::Io { action: "read", path: path.to_owned(), source };
        let file = fs::File::open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        let mut start = Vec::new();
        let most = HEADER_BYTES as u64 + 4 + u64::from(MAX_PART) + DIGEST_BYTES as u64;
        file.take(most).read_to_end(&mut start).map_err(fail)?;
        verifier_part(&start, length).map_err(|error| name_file(error, path))
    }

    /// The payload of the file.
    ///
    /// # Errors
    /// [`SrsError::Origin`].
    pub fn encode(&self) -> Result<Vec<u8>, SrsError> {
        let mut part = Writer::new();
        self.verifier_part().encode(&mut part)?;
        let part = part.into_bytes();
        let mut out = Writer::with_capacity(4 + part.len() + DIGEST_BYTES + body_bytes(self.k()) as usize);
        out.u32(part.len() as u32).raw(&part).raw(&part_digest(&part)).g1_many(&self.g);
        for points in &self.lagrange {
            out.g1_many(points);
        }
        Ok(out.into_bytes())
    }

    /// Inverse of [`Srs::encode`], with the checks of [`Srs::read`].
    ///
    /// # Errors
    /// Any [`SrsError`] about reading.
    pub fn decode(payload: &[u8]) -> Result<Self, SrsError> {
        let mut input = Reader::new(payload);
        let part = take_part(&mut input)?;
        Self::decode_points(part, input)
    }

    /// The points that follow the verifier's part `part`.
    fn decode_points(part: SrsVerifier, mut input: Reader<'_>) -> Result<Self, SrsError> {
        let k = part.k();
        let g = input.g1_many("power of tau", (1 << k) + 2)?;
        check::no_identity("power", &g)?;
        let mut lagrange = Vec::with_capacity(k as usize);
        for (k, rows) in (1..=k).zip(&part.rows) {
            let points = input.g1_many("Lagrange point", 1 << k)?;
            check::no_identity("Lagrange point", &points)?;
            if verifier_points(&points) != *rows {
                return Err(SrsError::VerifierPart { k });
            }
            lagrange.push(points);
        }
        input.finish()?;
        if let Some(j) = squares(&g, k).iter().zip(&part.tau_g1).position(|(power, square)| power != square) {
            return Err(SrsError::VerifierPower { power: 1 << j });
        }
        if g.first() != Some(&G1Affine::generator()) {
            return Err(SrsError::Generator);
        }
        let SrsVerifier { insecure, origin, tau_g2, .. } = part;
        Ok(Self { insecure, origin, g, lagrange, tau_g2 })
    }
}

/// The parts of a payload that circuits of 2^k rows need, and the verifier's part for them, from its first bytes.
fn choose(head: &[u8], payload: u64, k: u32) -> Result<(Vec<Range<u64>>, SrsVerifier), SrsError> {
    let mut input = Reader::new(head);
    let part = take_part(&mut input)?;
    let (whole, k) = (part.k(), part.k().min(k.max(1)));
    let (start, points) = (input.offset() as u64, G1_BYTES as u64);
    let (expected, got) = (start + body_bytes(whole), payload);
    if got != expected {
        return Err(ArtefactError::Length { expected, got }.into());
    }
    let lagrange = start + powers(whole) * points;
    let ranges = vec![start..start + powers(k) * points, lagrange..lagrange + lagrange_points(k) * points];
    Ok((ranges, part.truncated(k)))
}

/// The verifier's part out of the first bytes of a file of `length` bytes.
fn verifier_part(start: &[u8], length: u64) -> Result<SrsVerifier, SrsError> {
    let payload = artefact::parse_header(start, Kind::SRS, FORMAT)?;
    let expected = payload.saturating_add((HEADER_BYTES + DIGEST_BYTES) as u64);
    if length != expected {
        return Err(ArtefactError::Length { expected, got: length }.into());
    }
    let mut input = Reader::new(&start[HEADER_BYTES..]);
    let part = take_part(&mut input)?;
    let needed = input.offset() as u64 + body_bytes(part.k());
    if payload != needed {
        let (expected, got) = (needed, payload);
        return Err(ArtefactError::Length { expected, got }.into());
    }
    Ok(part)
}

/// Reads the length, the verifier's part and its digest off the front of a payload.
fn take_part(input: &mut Reader<'_>) -> Result<SrsVerifier, SrsError> {
    let field = "length of the verifier's part";
    let offset = input.offset();
    let length = input.u32(field)?;
    if length > MAX_PART {
        let expected = "a few kilobytes at most";
        return Err(FieldError::Value { field, offset, expected, got: length.into() }.into());
    }
    let bytes = input.take("verifier's part", length as usize)?;
    if part_digest(bytes) != input.array("digest of the verifier's part")? {
        return Err(SrsError::VerifierDigest);
    }
    let mut part = Reader::new(bytes);
    let verifier = SrsVerifier::decode(&mut part)?;
    part.finish()?;
    Ok(verifier)
}

fn part_digest(part: &[u8]) -> [u8; 32] {
    Keccak256::new().chain_update(b"inferproof/srs/verifier/1").chain_update(part).finalize().into()
}

/// Bytes of the points after the verifier's part: 2^k + 2 powers, 2^(k+1) - 2 Lagrange points. `k` is at most [`MAX_K`].
fn body_bytes(k: u32) -> u64 {
    G1_BYTES as u64 * (powers(k) + lagrange_points(k))
}

/// Powers of tau in an SRS for 2^k rows.
fn powers(k: u32) -> u64 {
    (1 << k) + 2
}

/// Lagrange points of the domains of 2, 4, .. 2^k elements.
fn lagrange_points(k: u32) -> u64 {
    (2 << k) - 2
}

/// Puts the file's name on errors of the container and the fields; the others say what to do without it.
fn name_file(error: SrsError, path: &Path) -> SrsError {
    match error {
        SrsError::Artefact(error) => SrsError::Artefact(error.in_file(path)),
        other => SrsError::InFile { path: PathBuf::from(path), source: Box::new(other) },
    }
}
