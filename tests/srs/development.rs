//! Making an SRS on this machine.

use super::*;

/// Guards: every byte of halo2's own parameters (both bases, both points of G2), from the same secret.
#[test]
fn development_params_are_halo2s() {
    let srs = srs(7);
    for k in 1..=7 {
        let expected = ParamsKZG::<Bn256>::setup(k, Seeded(1));
        assert!(raw(&srs.params(k).unwrap()) == raw(&expected), "k = {k}");
    }
    let larger = Srs::development(11, Seeded(1)).unwrap();
    assert!(raw(&larger.params(11).unwrap()) == raw(&ParamsKZG::<Bn256>::setup(11, Seeded(1))));
    assert_eq!(larger.g().len(), (1 << 11) + 2);
}

/// Guards: the two powers beyond 2^k, which halo2's parameters do not have.
#[test]
fn development_has_two_more_powers() {
    let tau = Fr::random(Seeded(1));
    for k in [1, 4] {
        let srs = srs(k);
        assert_eq!(srs.g().len(), (1 << k) + 2);
        for (i, point) in srs.g().iter().enumerate() {
            assert_eq!(*point, (G1Affine::generator() * tau.pow_vartime([i as u64])).to_affine());
        }
        srs.verify().unwrap();
    }
}

#[test]
fn development_is_marked_and_names_its_secret() {
    let srs = srs(3);
    assert!(srs.insecure() && srs.verifier_part().insecure());
    assert_eq!(srs.origin(), "development");
    assert!(format!("{srs:?}").contains("INSECURE"));
    assert!(format!("{:?}", srs.verifier_part()).contains("INSECURE"));
    assert_eq!(srs.srs_id(), Srs::development(5, Seeded(1)).unwrap().srs_id());
    assert_ne!(srs.srs_id(), Srs::development(3, Seeded(2)).unwrap().srs_id());
    assert_eq!(srs.srs_id(), srs.verifier_part().srs_id());
}

/// A source of zero bytes, as from a device that failed.
struct Broken;

impl RngCore for Broken {
    fn next_u32(&mut self) -> u32 {
        0
    }
    fn next_u64(&mut self) -> u64 {
        0
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        dest.fill(0);
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        dest.fill(0);
        Ok(())
    }
}

impl CryptoRng for Broken {}

#[test]
fn sizes_out_of_range_are_refused() {
    assert!(matches!(Srs::development(3, Broken), Err(SrsError::DegenerateSecret)));
    for k in [0, 25, u32::MAX] {
        assert!(matches!(Srs::development(k, Seeded(1)), Err(SrsError::Size { .. })));
        assert!(matches!(srs(2).params(k), Err(SrsError::Size { .. })));
    }
    assert!(matches!(srs(2).params(3), Err(SrsError::TooSmall { requested: 3, k: 2, .. })));
    assert!(matches!(srs(2).verifier_part().params(3), Err(SrsError::TooSmall { .. })));
}
