//! Import of a powers-of-tau file of snarkjs (`.ptau`, format version 1).
//!
//! ```text
//! "ptau" | u32 version | u32 sections | for each: u32 id | u64 size | bytes
//!  1 header   u32 n8 = 32 | prime q (n8 bytes) | u32 power | u32 power of the ceremony
//!  2 tauG1    [tau^i]_1 for i < 2^(power+1) - 1
//!  3 tauG2    [tau^i]_2 for i < 2^power
//! 12 prepared: for p = 0..=power(+1): the 2^p Lagrange points of snarkjs's domain of that size
//! ```
//!
//! Integers are little-endian, coordinates little-endian in Montgomery form (`x || y`; in G2 `c0 || c1` each). Other
//! sections are skipped. Source: snarkjs 0.7.5, `src/powersoftau_utils.js` and `src/powersoftau_preparephase2.js`.

use super::{MAX_K, PtauError, Srs, SrsError, check, development::omega, squares, verifier::check_origin};
use crate::artefact::{EncodingError, G1_BYTES, G2_BYTES, HEADER_BYTES, checked_g2, identify};
use ff::{Field, PrimeField};
use group::prime::PrimeCurveAffine;
use halo2_proofs::{
    arithmetic::g_to_lagrange,
    halo2curves::{
        CurveAffine,
        bn256::{Fq, Fq2, Fr, G1Affine, G2Affine},
        serde::SerdeObject,
    },
};
use rayon::prelude::*;
use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// snarkjs writes 7 or 11 sections.
const MAX_SECTIONS: u32 = 64;
const HEADER: (u32, &str) = (1, "header");
const TAU_G1: (u32, &str) = (2, "tauG1");
const TAU_G2: (u32, &str) = (3, "tauG2");
const LAGRANGE: (u32, &str) = (12, "lagrange tauG1");
/// Bytes of the header section for a prime of 32 bytes.
const HEADER_SECTION: u64 = 4 + 32 + 4 + 4;

/// How to import a `.ptau` file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PtauOptions {
    /// What [`Srs::origin`] says afterwards, `"ptau"` by default. At most [`super::MAX_ORIGIN`] bytes.
    pub origin: String,
    /// Marks the SRS insecure, for a file that is no ceremony's. False by default.
    pub insecure: bool,
    /// Computes the Lagrange points even if the file has them. False by default.
    pub ignore_prepared: bool,
}

impl Default for PtauOptions {
    fn default() -> Self {
        Self { origin: "ptau".into(), insecure: false, ignore_prepared: false }
    }
}

impl Srs {
    /// Imports the `.ptau` file at `path`; see [`Srs::from_ptau`].
    ///
    /// # Errors
    /// As [`Srs::from_ptau`], and [`PtauError::Open`].
    pub fn from_ptau_path(path: &Path, k: u32, options: &PtauOptions) -> Result<Self, SrsError> {
        let file = File::open(path).map_err(|source| PtauError::Open { path: path.to_owned(), source })?;
        Self::from_ptau(BufReader::new(file), k, options)
            .map_err(|error| SrsError::InFile { path: path.to_owned(), source: Box::new(error) })
    }

    /// Imports an SRS for circuits of up to 2^k rows from a `.ptau` file, which must hold 2^k + 2 powers in G1: one of power k
    /// or more does (from power 2 on).
    ///
    /// Checks sizes, encoding and curve membership of all points it uses, and then all that [`Srs::verify`] checks. Does NOT
    /// check the record of the ceremony's contributions: `snarkjs powersoftau verify` does.
    ///
    /// Cost: one read of the points used. With prepared Lagrange points about that of [`Srs::verify`]; without,
    /// about `k 2^k` multiplications in G1 more (0.15 ms each, on all cores): some 45 CPU seconds for k = 14 and seven
    /// CPU minutes for k = 17, which `snarkjs powersoftau prepare phase2` saves.
    ///
    /// # Errors
    /// [`SrsError::Size`], [`SrsError::Origin`], [`SrsError::Ptau`], and those of [`Srs::verify`].
    pub fn from_ptau(mut input: impl Read + Seek, k: u32, options: &PtauOptions) -> Result<Self, SrsError> {
        if !(1..=MAX_K).contains(&k) {
            return Err(SrsError::Size { k, max: MAX_K });
        }
        check_origin(&options.origin)?;
        let file = Ptau::open(&mut input)?;
        let g = file.powers(&mut input, k)?;
        let tau_g2 = file.tau_g2(&mut input, k)?;
        // Before the Lagrange points: no use in transforming what is refused anyway.
        check::powers(&g, &tau_g2[0])?;
        check::squares(&squares(&g, k), &tau_g2, &[])?;
        let prepared = if options.ignore_prepared { None } else { file.prepared()? };
        let mut lagrange = Vec::with_capacity(k as usize);
        for k in 1..=k {
            let points = match &prepared {
                Some(section) => file.lagrange(&mut input, section, k)?,
                None => g_to_lagrange(g[..1 << k].iter().map(|p| p.to_curve()).collect(), k),
            };
            check::lagrange(&g, &tau_g2[0], k, &points).map_err(|error| match prepared {
                Some(_) => PtauError::Prepared { k }.into(),
                None => error,
            })?;
            lagrange.push(points);
        }
        let (insecure, origin) = (options.insecure, options.origin.clone());
        Ok(Self { insecure, origin, g, lagrange, tau_g2 })
    }
}

/// Where a section's bytes are.
#[derive(Clone, Copy)]
struct Section {
    id: u32,
    start: u64,
    size: u64,
}

/// The table of a file's sections, and its power.
struct Ptau {
    sections: Vec<Section>,
    power: u32,
}

impl Ptau {
    /// Walks the sections and reads the header.
    fn open(input: &mut (impl Read + Seek)) -> Result<Self, PtauError> {
        let length = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        let mut start = Vec::new();
        input.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut start)?;
        let (Some(b"ptau"), Some(version), Some(count)) = (start.first_chunk(), u32_at(&start, 4), u32_at(&start, 8))
        else {
            return Err(PtauError::NotPtau { found: identify(&start).to_string() });
        };
        if version != 1 {
            return Err(PtauError::Version { found: version });
        }
        if count > MAX_SECTIONS {
            return Err(PtauError::Sections { sections: count, max: MAX_SECTIONS });
        }
        let mut file = Self { sections: sections(input, 12, length, count)?, power: 0 };
        file.power = file.read_header(input)?;
        Ok(file)
    }

    fn read_header(&self, input: &mut (impl Read + Seek)) -> Result<u32, PtauError> {
        let section = self.find(HEADER)?;
        if section.size != HEADER_SECTION {
            return Err(match section.size {
                // Another length of the prime, so another curve, rather than damage.
                76 | 100 => PtauError::Curve,
                got => wrong_size(HEADER, HEADER_SECTION, got),
            });
        }
        let bytes = read_at(input, section.start, HEADER_SECTION)?;
        // MODULUS is "0x" and the number in hexadecimal, most significant digit first.
        let prime: String = bytes[4..36].iter().rev().map(|byte| format!("{byte:02x}")).collect();
        if u32_at(&bytes, 0) != Some(32) || Fq::MODULUS.trim_start_matches("0x") != prime {
            return Err(PtauError::Curve);
        }
        match u32_at(&bytes, 36) {
            Some(power @ 1..=28) => Ok(power),
            power => Err(PtauError::Power { power: power.unwrap_or(0) }),
        }
    }

    fn find(&self, (id, name): (u32, &'static str)) -> Result<Section, PtauError> {
        let mut found = self.sections.iter().filter(|section| section.id == id);
        match (found.next(), found.count()) {
            (Some(section), 0) => Ok(*section),
            (first, more) => Err(PtauError::Occurrence { id, name, times: usize::from(first.is_some()) + more }),
        }
    }

    /// The first 2^k + 2 powers of tau in G1.
    fn powers(&self, input: &mut (impl Read + Seek), k: u32) -> Result<Vec<G1Affine>, PtauError> {
        let section = self.find(TAU_G1)?;
        let held = (2u64 << self.power) - 1;
        if section.size != held * G1_BYTES as u64 {
            return Err(wrong_size(TAU_G1, held * G1_BYTES as u64, section.size));
        }
        let needed = (1u64 << k) + 2;
        if held < needed {
            return Err(PtauError::TooFewPowers { power: self.power, held, k, needed });
        }
        let bytes = read_at(input, section.start, needed * G1_BYTES as u64)?;
        g1_points(TAU_G1, &bytes)
    }

    /// `[tau^(2^j)]_2` for j < k, after a look at the generator. Of the 2^power points none is beyond the last: a file with
    /// the powers in G1 for k has a power of k or more.
    fn tau_g2(&self, input: &mut (impl Read + Seek), k: u32) -> Result<Vec<G2Affine>, PtauError> {
        let section = self.find(TAU_G2)?;
        let expected = (G2_BYTES as u64) << self.power;
        if section.size != expected {
            return Err(wrong_size(TAU_G2, expected, section.size));
        }
        let mut point = |index: u64| {
            let bytes = read_at(input, section.start + index * G2_BYTES as u64, G2_BYTES as u64)?;
            g2_point(&bytes, index as usize)
        };
        if point(0)? != G2Affine::generator() {
            return Err(PtauError::GeneratorG2);
        }
        (0..k).map(|j| point(1 << j)).collect()
    }

    /// The section of Lagrange points, if the file is prepared for phase 2.
    fn prepared(&self) -> Result<Option<Section>, PtauError> {
        if self.sections.iter().all(|section| section.id != LAGRANGE.0) {
            return Ok(None);
        }
        let section = self.find(LAGRANGE)?;
        // Older versions of snarkjs stop at the domain of 2^power elements.
        let full = ((4u64 << self.power) - 1) * G1_BYTES as u64;
        let short = ((2u64 << self.power) - 1) * G1_BYTES as u64;
        if section.size == full || section.size == short {
            Ok(Some(section))
        } else {
            Err(wrong_size(LAGRANGE, full, section.size))
        }
    }

    /// The prepared Lagrange points of the domain of 2^k elements, in the order of halo2's domain.
    fn lagrange(&self, input: &mut (impl Read + Seek), section: &Section, k: u32) -> Result<Vec<G1Affine>, PtauError> {
        let n = 1u64 << k;
        // Can only happen for k = power + 1, which a file with too few powers was refused for already.
        let (skip, size) = ((n - 1) * G1_BYTES as u64, n * G1_BYTES as u64);
        if skip + size > section.size {
            return Err(wrong_size(LAGRANGE, skip + size, section.size));
        }
        let points = g1_points(LAGRANGE, &read_at(input, section.start + skip, size)?)?;
        let step = domain_step(k);
        let mask = n - 1;
        Ok((0..n).map(|i| points[(i.wrapping_mul(step) & mask) as usize]).collect())
    }
}

/// The m with `w = v^m`, for halo2's and snarkjs's generators w and v of the 2^k-th roots of unity.
///
/// Both take the 2^28-th roots from a non-residue raised to the odd part of r - 1, halo2 from 7 and snarkjs from 5, so
/// element i of halo2's domain is element `i m mod 2^k` of snarkjs's.
fn domain_step(k: u32) -> u64 {
    let n = 1u64 << k;
    // (r - 1) / n, as the group order minus one shifted right by k; r - 1 is -1 read as an integer.
    let mut exponent = [0u64; 4];
    for (limb, bytes) in exponent.iter_mut().zip((-Fr::ONE).to_repr().as_chunks::<8>().0) {
        *limb = u64::from_le_bytes(*bytes);
    }
    for i in 0..4 {
        let above = exponent.get(i + 1).map_or(0, |limb| limb << (64 - k));
        exponent[i] = (exponent[i] >> k) | above;
    }
    let v = Fr::from(5).pow_vartime(exponent);
    // Bit by bit from the lowest (Pohlig and Hellman): bit i is set iff w v^-m has order 2^(k-i), not less.
    let (mut step, mut rest, mut v_power_inv) = (0, omega(k), v.pow_vartime([n - 1]));
    for i in 0..k {
        if rest.pow_vartime([n >> (i + 1)]) != Fr::ONE {
            step |= 1 << i;
            rest *= v_power_inv;
        }
        v_power_inv = v_power_inv.square();
    }
    step
}

/// The section headers from offset `at` on; each section must end within the file.
fn sections(input: &mut (impl Read + Seek), mut at: u64, length: u64, count: u32) -> Result<Vec<Section>, PtauError> {
    let mut sections = Vec::new();
    for _ in 0..count {
        let head = read_at(input, at, 12)?;
        let (id, size) = head.split_at(4);
        let id = u32_at(id, 0).unwrap_or(0);
        let size = size.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let start = at + 12;
        let left = length.saturating_sub(start);
        if size > left {
            return Err(PtauError::CutShort { id, size, left });
        }
        sections.push(Section { id, start, size });
        at = start + size;
    }
    Ok(sections)
}

/// Exactly `size` bytes at `start`. Allocates as bytes arrive, so a size that is a lie costs nothing.
fn read_at(input: &mut (impl Read + Seek), start: u64, size: u64) -> Result<Vec<u8>, PtauError> {
    input.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    input.by_ref().take(size).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == size {
        Ok(bytes)
    } else {
        Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn wrong_size((id, name): (u32, &'static str), expected: u64, got: u64) -> PtauError {
    PtauError::SectionSize { id, name, expected, got }
}

/// A coordinate below the modulus; its Montgomery form is the one the library keeps, so nothing is converted.
fn coordinate(bytes: &[u8], what: &'static str) -> Result<Fq, EncodingError> {
    Fq::from_raw_bytes(bytes).ok_or(EncodingError::NotCanonical(what))
}

fn g1_points((id, name): (u32, &'static str), bytes: &[u8]) -> Result<Vec<G1Affine>, PtauError> {
    let point = |bytes: &[u8; G1_BYTES]| {
        let x = coordinate(&bytes[..32], "x coordinate")?;
        let y = coordinate(&bytes[32..], "y coordinate")?;
        Option::from(G1Affine::from_xy(x, y)).ok_or(EncodingError::NotOnCurve)
    };
    let (chunks, _) = bytes.as_chunks::<G1_BYTES>();
    let points = chunks.par_iter().with_min_len(256).enumerate();
    points.map(|(index, chunk)| point(chunk).map_err(|source| PtauError::Point { id, name, index, source })).collect()
}

fn g2_point(bytes: &[u8], index: usize) -> Result<G2Affine, PtauError> {
    let element = |at: usize, what| {
        let c0 = coordinate(&bytes[at..at + 32], what)?;
        let c1 = coordinate(&bytes[at + 32..at + 64], what)?;
        Ok(Fq2 { c0, c1 })
    };
    let point = || checked_g2(element(0, "x coordinate")?, element(64, "y coordinate")?);
    let (id, name) = TAU_G2;
    point().map_err(|source| PtauError::Point { id, name, index, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guards: the order of prepared Lagrange points, by the definition of the step.
    #[test]
    fn domain_step_maps_one_root_to_the_other() {
        // ffjavascript's 2^28-th root of unity for bn128, `Fr.w[28]`.
        let v28 = Fr::from_str_vartime("19103219067921713944291392827692070036145651957329286315305642004821462161904")
            .unwrap();
        for k in [1, 2, 5, 13, 28] {
            let v = (k..28).fold(v28, |root, _| root.square());
            assert_eq!(v.pow_vartime([domain_step(k)]), omega(k), "k = {k}");
        }
    }
}
