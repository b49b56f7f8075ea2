//! Import of powers-of-tau files.

use super::*;

fn import(bytes: &[u8], k: u32) -> Result<Srs, SrsError> {
    Srs::from_ptau(Cursor::new(bytes), k, &PtauOptions::default())
}

fn ptau_error(bytes: &[u8], k: u32) -> PtauError {
    match import(bytes, k) {
        Err(SrsError::Ptau(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Offset of the bytes of a section.
fn section(bytes: &[u8], id: u32) -> usize {
    let mut at = 12;
    loop {
        let size = u64::from_le_bytes(bytes[at + 4..at + 12].try_into().unwrap()) as usize;
        if bytes[at..at + 4] == id.to_le_bytes() {
            return at + 12;
        }
        at += 12 + size;
    }
}

#[test]
fn ptau_imports() {
    for k in [1, 4, 9, 10] {
        let srs = Srs::from_ptau_path(&fixture("power10.ptau"), k, &PtauOptions::default()).unwrap();
        assert_eq!((srs.k(), srs.origin(), srs.insecure()), (k, "ptau", false));
        srs.verify().unwrap();
        let again = Srs::decode(&srs.encode().unwrap()).unwrap();
        assert!(again == srs);
    }
}

/// Guards: the order of prepared Lagrange points, whose domain snarkjs generates by another root of unity.
#[test]
fn prepared_ptau_gives_the_same_srs() {
    let path = fixture("power8_prepared.ptau");
    let mut options = PtauOptions::default();
    let prepared = Srs::from_ptau_path(&path, 8, &options).unwrap();
    options.ignore_prepared = true;
    assert!(prepared == Srs::from_ptau_path(&path, 8, &options).unwrap());
    options.origin = "a test".into();
    options.insecure = true;
    let marked = Srs::from_ptau_path(&path, 3, &options).unwrap();
    assert_eq!((marked.origin(), marked.insecure()), ("a test", true));
    options.origin = "x\n".into();
    let error = Srs::from_ptau_path(&path, 3, &options).unwrap_err();
    assert!(matches!(error.cause(), SrsError::Origin { .. }));
}

#[test]
fn ptau_with_too_few_powers_says_what_to_do() {
    let bytes = fs::read(fixture("power10.ptau")).unwrap();
    let error = ptau_error(&bytes, 11);
    assert!(matches!(error, PtauError::TooFewPowers { power: 10, held: 2047, k: 11, needed: 2050 }));
    assert!(error.to_string().contains("use a file of power 11 or more"));
}

#[test]
fn corrupted_ptau_is_refused() {
    let good = fs::read(fixture("power8_prepared.ptau")).unwrap();
    let (g1, g2, lagrange) = (section(&good, 2), section(&good, 3), section(&good, 12));
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad
    };
    let bad = with(&|b| swap_points(b, g1, 5, 6));
    assert!(matches!(import(&bad, 8), Err(SrsError::Powers { .. })));
    let bad = with(&|b| swap_points(b, g1, 0, 1));
    assert!(matches!(import(&bad, 8), Err(SrsError::Generator)));
    // Domains of 1, 2, ..., 128 elements come before that of 256.
    let bad = with(&|b| swap_points(b, lagrange, 255 + 30, 255 + 31));
    assert!(matches!(ptau_error(&bad, 8), PtauError::Prepared { k: 8 }));
    let bad = with(&|b| b[g1 + 3 * 64] ^= 1);
    assert!(matches!(ptau_error(&bad, 8), PtauError::Point { id: 2, index: 3, .. }));
    let bad = with(&|b| b[g1 + 3 * 64..g1 + 3 * 64 + 32].fill(0xff));
    let error = ptau_error(&bad, 8);
    assert!(matches!(error, PtauError::Point { source: EncodingError::NotCanonical(_), .. }), "{error}");
    let bad = with(&|b| b[g1 + 3 * 64..g1 + 4 * 64].fill(0));
    assert!(matches!(import(&bad, 8), Err(SrsError::Identity { .. })));
    let bad = with(&|b| b[g2 + 128] ^= 1);
    assert!(matches!(ptau_error(&bad, 8), PtauError::Point { id: 3, index: 1, .. }));
    let bad = with(&|b| b.copy_within(g2 + 128..g2 + 256, g2));
    assert!(matches!(ptau_error(&bad, 8), PtauError::GeneratorG2));
    let bad = with(&|b| b.copy_within(g2 + 256..g2 + 384, g2 + 128));
    assert!(matches!(import(&bad, 8), Err(SrsError::Powers { .. })));
    // The squares after [tau]_2 are those at 2, 4, .. 128.
    for index in [2, 4, 128] {
        let bad = with(&|b| b.copy_within(g2 + 128 * 3..g2 + 128 * 4, g2 + 128 * index));
        assert!(matches!(import(&bad, 8), Err(SrsError::Span)), "power {index} in G2");
        let bad = with(&|b| b[g2 + 128 * index] ^= 1);
        assert!(matches!(ptau_error(&bad, 8), PtauError::Point { id: 3, index: at, .. } if at == index));
    }
    let header = section(&good, 1);
    let bad = with(&|b| b[header + 4] ^= 1);
    assert!(matches!(ptau_error(&bad, 8), PtauError::Curve));
    let bad = with(&|b| b[header + 36] = 40);
    assert!(matches!(ptau_error(&bad, 8), PtauError::Power { power: 40 }));
    let bad = with(&|b| b[header + 36] = 9);
    assert!(matches!(ptau_error(&bad, 8), PtauError::SectionSize { id: 2, .. }));
    let bad = with(&|b| b[g1 - 12] = 99);
    assert!(matches!(ptau_error(&bad, 8), PtauError::Occurrence { id: 2, times: 0, .. }));
    let bad = with(&|b| b[g1 - 1] = 0xff);
    assert!(matches!(ptau_error(&bad, 8), PtauError::CutShort { id: 2, .. }));
    assert!(matches!(ptau_error(&srs(2).encode().unwrap(), 2), PtauError::NotPtau { .. }));
}

/// Guards: no byte that is read goes unchecked, and none makes it panic.
#[test]
fn mutated_ptau_never_panics() {
    let good = fs::read(fixture("power8_prepared.ptau")).unwrap();
    let (header, g1, g2, lagrange) = (section(&good, 1), section(&good, 2), section(&good, 3), section(&good, 12));
    let expected = import(&good, 3).unwrap();
    // What k = 3 uses; the power of the ceremony (last field of the header) is for people.
    let in_g2 = [g2..g2 + 3 * 128, g2 + 4 * 128..g2 + 5 * 128];
    let used = [0..12, header..header + 40, g1..g1 + 10 * 64, lagrange + 64..lagrange + 15 * 64];
    let used = [&used[..], &in_g2].concat();
    let mut rng = Seeded(6);
    for range in used.clone() {
        for _ in 0..80 {
            let at = range.start + rng.next_u64() as usize % range.len();
            let mut bad = good.clone();
            bad[at] ^= 1 << (rng.next_u32() % 8);
            let got = import(&bad, 3);
            // Fewer sections are fine as long as those needed are among them.
            let harmless = (8..12).contains(&at) && got.as_ref().is_ok_and(|srs| *srs == expected);
            assert!(got.is_err() || harmless, "byte {at}");
        }
    }
    for _ in 0..100 {
        let at = rng.next_u64() as usize % good.len();
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        assert!(import(&bad, 3).is_err() || !used.iter().any(|range| range.contains(&at)), "byte {at}");
    }
    for len in (0..good.len()).step_by(1999) {
        assert!(import(&good[..len], 3).is_err(), "{len} bytes");
    }
}
