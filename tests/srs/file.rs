//! The file of an SRS: round trip, damage, forgery.

use super::*;

#[test]
fn file_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.srs");
    for k in [1, 6] {
        let srs = srs(k);
        srs.write(&path).unwrap();
        assert!(Srs::read(&path).unwrap() == srs);
        let part = Srs::read_verifier_part(&path).unwrap();
        assert!(part == srs.verifier_part());
        for k in 1..=k {
            let expected = &srs.lagrange(k).unwrap()[(1 << k) - 2..];
            assert_eq!(part.span(k).unwrap(), expected);
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
}

/// A larger file gives the SRS that the same secret gives for fewer rows.
#[test]
fn a_larger_file_serves_smaller_circuits() {
    let folder = tempfile::tempdir().unwrap();
    let [large, small] = ["large.srs", "small.srs"].map(|name| folder.path().join(name));
    // More than one block is read, and the wanted ranges cross blocks.
    srs(13).write(&large).unwrap();
    assert!(fs::metadata(&large).unwrap().len() > 1 << 20);
    for k in [1, 5, 12, 13] {
        srs(k).write(&small).unwrap();
        assert!(Srs::read_up_to(&large, k).unwrap() == Srs::read(&small).unwrap(), "k = {k}");
    }
    assert!(Srs::read_up_to(&small, 20).unwrap() == srs(13), "a file that is too small is what it is");
    assert!(Srs::read_up_to(&large, 0).unwrap() == srs(1));
}

#[test]
fn damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.srs");
    srs(4).write(&path).unwrap();
    let good = fs::read(&path).unwrap();
    let mut rng = Seeded(3);
    let in_header = (0..good.len().min(60)).collect::<Vec<_>>();
    let anywhere = (0..300).map(|_| rng.next_u64() as usize % good.len());
    for at in in_header.into_iter().chain(anywhere) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, &bad).unwrap();
        assert!(Srs::read(&path).is_err() && Srs::read_up_to(&path, 2).is_err(), "byte {at}");
        let part = Srs::read_verifier_part(&path);
        let covered = at < 22 + body(&good[22..]);
        assert_eq!(part.is_err(), covered, "byte {at}");
    }
    for len in (0..good.len()).step_by(97).chain([good.len() - 1, good.len() + 1, good.len() + 70]) {
        let mut bad = good.clone();
        bad.resize(len, 0);
        fs::write(&path, &bad).unwrap();
        assert!(Srs::read(&path).is_err() && Srs::read_verifier_part(&path).is_err(), "{len} bytes");
        assert!(Srs::read_up_to(&path, 2).is_err(), "{len} bytes");
    }
}

/// Guards: the decoder itself, behind a digest that was made to match.
#[test]
fn damaged_payload_is_refused() {
    let good = srs(4).encode().unwrap();
    let mut rng = Seeded(4);
    for _ in 0..600 {
        let at = rng.next_u64() as usize % good.len();
        let mut bad = good.clone();
        bad[at] ^= 1 << (rng.next_u32() % 8);
        assert!(Srs::decode(&bad).is_err(), "byte {at}");
    }
    for len in (0..good.len()).step_by(41) {
        assert!(Srs::decode(&good[..len]).is_err(), "{len} bytes");
    }
    let longer = [&good[..], &[0]].concat();
    let error = Srs::decode(&longer).unwrap_err();
    assert!(matches!(error, SrsError::Artefact(ArtefactError::Field(FieldError::Trailing { left: 1, .. }))));
}

/// Guards: bytes of no SRS at all, and a k that would need gigabytes, with a matching inner digest.
#[test]
fn hostile_payload_is_refused() {
    let mut rng = Seeded(5);
    for len in 0..300 {
        let mut bytes = vec![0; len];
        rng.fill_bytes(&mut bytes);
        assert!(Srs::decode(&bytes).is_err());
    }
    let payload = span::Logs::honest(Fr::random(Seeded(1)), 24).encode();
    let error = Srs::decode(&payload).unwrap_err();
    assert!(matches!(error, SrsError::Artefact(ArtefactError::Field(FieldError::End { .. }))), "{error}");
}

#[test]
fn point_off_the_curve_is_refused_at_read() {
    let mut payload = srs(4).encode().unwrap();
    let at = body(&payload);
    let y_low = at + 5 * G1_BYTES + 63;
    payload[y_low] ^= 1;
    let error = Srs::decode(&payload).unwrap_err();
    let SrsError::Artefact(ArtefactError::Field(FieldError::Encoding { field, offset, source })) = error else {
        panic!("{error}")
    };
    assert_eq!((field, offset, source), ("power of tau", at + 5 * G1_BYTES, EncodingError::NotOnCurve));
}

#[test]
fn identity_is_refused_at_read() {
    let good = srs(4).encode().unwrap();
    // A power, then a Lagrange point of the domain of four (18 powers and 2 points are before it).
    for index in [7, 20] {
        let mut payload = good.clone();
        let at = body(&good) + index * G1_BYTES;
        payload[at..at + G1_BYTES].fill(0);
        assert!(matches!(Srs::decode(&payload), Err(SrsError::Identity { .. })));
    }
}

/// Guards: what reading cannot see, `verify` does.
#[test]
fn tampered_points_are_caught_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.srs");
    let good = srs(4).encode().unwrap();
    let at = body(&good);
    let read = |payload: &[u8]| {
        artefact::write_atomic(&path, Kind::SRS, FORMAT, payload).unwrap();
        Srs::read(&path).unwrap().verify()
    };
    read(&good).unwrap();
    for (a, b) in [(5, 6), (3, 17), (15, 17)] {
        let mut bad = good.clone();
        swap_points(&mut bad, at, a, b);
        assert!(matches!(read(&bad), Err(SrsError::Powers { powers: 18 })), "powers {a} and {b}");
    }
    // 18 powers, then 2, 4, 8 and 16 Lagrange points.
    for (k, a, b) in [(2, 20, 21), (3, 24, 29), (4, 32, 45)] {
        let mut bad = good.clone();
        swap_points(&mut bad, at, a, b);
        match read(&bad) {
            Err(SrsError::Lagrange { k: got }) => assert_eq!(got, k),
            other => panic!("k = {k}: {other:?}"),
        }
    }
    // The last two are in the verifier's part as well, and so are the powers 1, 2, 4, 8 and 16.
    let mut bad = good.clone();
    swap_points(&mut bad, at, 46, 47);
    assert!(matches!(Srs::decode(&bad), Err(SrsError::VerifierPart { k: 4 })));
    for power in [1, 2, 4, 8, 16] {
        let mut bad = good.clone();
        swap_points(&mut bad, at, 17, power);
        match Srs::decode(&bad) {
            Err(SrsError::VerifierPower { power: got }) => assert_eq!(got, power as u64),
            other => panic!("power {power}: {other:?}"),
        }
    }
    let mut bad = good.clone();
    swap_points(&mut bad, at, 0, 3);
    assert!(matches!(Srs::decode(&bad), Err(SrsError::Generator)));
}

/// Guards: the powers and Lagrange points of one secret beside the verifier's part of another.
#[test]
fn foreign_tau_is_refused() {
    let own = srs(3).encode().unwrap();
    let other = Srs::development(3, Seeded(9)).unwrap();
    let part = body(&own);
    let mut bad = own.clone();
    bad[..part].copy_from_slice(&other.encode().unwrap()[..part]);
    assert!(matches!(Srs::decode(&bad), Err(SrsError::VerifierPart { k: 1 })));
    // Only [tau]_2 is the other's.
    let mut bad = own[4..part - 32].to_vec();
    let at = 4 + 1 + 8 + "development".len();
    bad[at..at + 128].copy_from_slice(&artefact::encode_g2(&other.s_g2()));
    let bad = [&with_digest(&bad), &own[part..]].concat();
    assert!(matches!(Srs::decode(&bad), Err(SrsError::Span)));
}

#[test]
fn wrong_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thing");
    let says = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let whole = Srs::read(&path).unwrap_err().to_string();
        assert_eq!(whole, Srs::read_verifier_part(&path).unwrap_err().to_string());
        assert!(whole.contains("thing"), "{whole}");
        whole
    };
    let key = artefact::encode(Kind::VERIFYING_KEY, 1, b"");
    assert!(says(&key).ends_with("this is a verifying key, a structured reference string was expected"));
    assert!(says(b"").contains("an empty file"));
    assert!(says(&key[..9]).contains("the first few bytes"));
    assert!(says(&fs::read(fixture("power8_prepared.ptau")).unwrap()).contains("powers-of-tau file"));
    assert!(says(b"{\"a\": 1}").contains("JSON"));
    assert!(says(b"\x1b[31mhello").contains("a file of no format known here"));
    assert!(says(&artefact::encode(Kind(*b"\x1b[3m"), 1, b"")).contains("kind \"\\x1b[3m\""));
    assert!(says(&artefact::encode(Kind::SRS, FORMAT + 1, b"")).contains("format 3, this build reads format 2"));
    let missing = Srs::read(&folder.path().join("none")).unwrap_err();
    assert!(matches!(missing, SrsError::Artefact(ArtefactError::Io { .. })), "{missing}");
}
