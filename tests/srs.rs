//! The SRS and the container of its file, from outside: what is accepted, and what is refused and why.

#[path = "srs/container.rs"]
mod container;
#[path = "srs/development.rs"]
mod development;
#[path = "srs/file.rs"]
mod file;
#[path = "srs/ptau.rs"]
mod ptau;
#[path = "srs/span.rs"]
mod span;
#[path = "srs/stock.rs"]
mod stock;

use ff::{Field, PrimeField};
use group::{Curve, prime::PrimeCurveAffine};
use halo2_proofs::{
    SerdeFormat,
    halo2curves::{
        CurveAffine,
        bn256::{Bn256, Fq, Fq2, Fr, G1Affine, G2Affine},
    },
    poly::kzg::commitment::ParamsKZG,
};
use inferproof::{
    artefact::{self, ArtefactError, EncodingError, FieldError, G1_BYTES, Identity, Kind, Reader, Writer},
    srs::{FORMAT, PtauError, PtauOptions, Srs, SrsError, SrsVerifier},
};
use rand_core::{CryptoRng, RngCore};
use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

/// SplitMix64: reproducible, and secret from nobody. For tests only.
#[derive(Clone)]
struct Seeded(u64);

impl RngCore for Seeded {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        for chunk in dest.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl CryptoRng for Seeded {}

fn srs(k: u32) -> Srs {
    Srs::development(k, Seeded(1)).unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ptau").join(name)
}

fn raw(params: &ParamsKZG<Bn256>) -> Vec<u8> {
    let mut bytes = Vec::new();
    params.write_custom(&mut bytes, SerdeFormat::RawBytes).unwrap();
    bytes
}

/// Where the points start in a payload: after the verifier's part and its digest.
fn body(payload: &[u8]) -> usize {
    4 + u32::from_le_bytes(payload[..4].try_into().unwrap()) as usize + 32
}

/// A verifier's part as a payload starts with it: its length, itself, its digest.
fn with_digest(part: &[u8]) -> Vec<u8> {
    let digest = <sha3::Keccak256 as sha3::Digest>::digest([b"inferproof/srs/verifier/1", part].concat());
    let mut out = Writer::new();
    out.u32(part.len() as u32).raw(part).raw(&digest);
    out.into_bytes()
}

/// A point of the twist. Its cofactor is large, so the first one found is outside the subgroup.
fn outside_subgroup() -> G2Affine {
    let point = |i| {
        let x = Fq2 { c0: Fq::from(i), c1: Fq::ONE };
        let y: Option<Fq2> = (x.square() * x + G2Affine::b()).sqrt().into();
        y.map(|y| G2Affine { x, y })
    };
    (1u64..).find_map(point).unwrap()
}

fn swap_points(payload: &mut [u8], at: usize, a: usize, b: usize) {
    let (a, b) = (at + a * G1_BYTES, at + b * G1_BYTES);
    let point = payload[a..a + G1_BYTES].to_vec();
    payload.copy_within(b..b + G1_BYTES, a);
    payload[b..b + G1_BYTES].copy_from_slice(&point);
}
