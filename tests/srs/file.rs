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
        assert!(Srs::read(&path).is_err(), "byte {at}");
        let part = Srs::read_verifier_part(&path);
        let covered = at < 22 + body(&good[22..]);
        assert_eq!(part.is_err(), covered, "byte {at}");
    }
    for len in (0..good.len()).step_by(97).chain([good.len() - 1, good.len() + 1, good.len() + 70]) {
        let mut bad = good.clone();
        bad.resize(len, 0);
        fs::write(&path, &bad).unwrap();
        assert!(Srs::read(&path).is_err() && Srs::read_verifier_part(&path).is_err(), "{len} bytes");
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
    let point = G1Affine::generator();
    let mut part = Writer::new();
    part.u32(24).bool(false).string("x").g2(&G2Affine::generator());
    for _ in 0..48 {
        part.g1(&point);
    }
    let part = part.into_bytes();
    let digest = <sha3::Keccak256 as sha3::Digest>::digest([b"inferproof/srs/verifier/1", &part[..]].concat());
    let mut payload = Writer::new();
    payload.u32(part.len() as u32).raw(&part).raw(&digest);
    let error = Srs::decode(&payload.into_bytes()).unwrap_err();
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
        artefact::write_atomic(&path, Kind::SRS, FORMAT, payload, false).unwrap();
        Srs::read(&path).unwrap().verify()
    };
    read(&good).unwrap();
    for (a, b) in [(3, 4), (1, 17), (16, 17)] {
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
    // The last two are in the verifier's part as well.
    let mut bad = good.clone();
    swap_points(&mut bad, at, 46, 47);
    assert!(matches!(Srs::decode(&bad), Err(SrsError::VerifierPart { k: 4 })));
    let mut bad = good.clone();
    swap_points(&mut bad, at, 0, 1);
    assert!(matches!(Srs::decode(&bad), Err(SrsError::Generator)));
}

/// Guards: the powers and Lagrange points of one secret beside the G2 point of another.
#[test]
fn foreign_tau_is_caught_by_verify() {
    let own = srs(3);
    let mut part = Writer::new();
    own.verifier_part().encode(&mut part).unwrap();
    let mut part = part.into_bytes();
    let origin = 4 + 1 + 8 + "development".len();
    let other = Srs::development(3, Seeded(9)).unwrap().s_g2();
    part[origin..origin + 128].copy_from_slice(&artefact::encode_g2(&other));
    let digest = <sha3::Keccak256 as sha3::Digest>::digest([b"inferproof/srs/verifier/1", &part[..]].concat());
    let good = own.encode().unwrap();
    let mut bad = good.clone();
    bad[4..4 + part.len()].copy_from_slice(&part);
    bad[4 + part.len()..body(&good)].copy_from_slice(&digest);
    assert!(matches!(Srs::decode(&bad).unwrap().verify(), Err(SrsError::Powers { .. })));
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
    assert!(says(b"\x1b[31mhello").contains("not an inferproof artefact"));
    assert!(says(&artefact::encode(Kind(*b"\x1b[3m"), 1, b"")).contains("kind \"\\x1b[3m\""));
    assert!(says(&artefact::encode(Kind::SRS, FORMAT + 1, b"")).contains("format 2, this build reads format 1"));
    let missing = Srs::read(&folder.path().join("none")).unwrap_err();
    assert!(matches!(missing, SrsError::Artefact(ArtefactError::Io { .. })), "{missing}");
}
