//! The container and the fields inside.

use super::*;

#[test]
fn container_round_trip_and_identity() {
    let bytes = artefact::encode(Kind::NETWORK, 7, b"payload");
    assert_eq!(artefact::identify(&bytes), Identity::Artefact { kind: Kind::NETWORK, version: 7 });
    assert_eq!(artefact::decode(&bytes, Kind::NETWORK, 7).unwrap(), b"payload");
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            assert!(artefact::decode(&bad, Kind::NETWORK, 7).is_err(), "byte {at}");
        }
        assert!(artefact::decode(&bytes[..at], Kind::NETWORK, 7).is_err(), "{at} bytes");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(
        artefact::decode(&longer, Kind::NETWORK, 7),
        Err(ArtefactError::Length { expected: 61, got: 62 })
    ));
    // A length no machine could hold.
    let mut bad = bytes.clone();
    bad[14..22].fill(0xff);
    assert!(matches!(artefact::decode(&bad, Kind::NETWORK, 7), Err(ArtefactError::TooLong { .. })));
}

/// Guards: memory that is taken because a file says that it is large, or because a file has no end on the disk.
#[test]
fn long_files_are_refused_before_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long");
    for (kind, length) in
        [(Kind::VERIFYING_KEY, 1u64 << 20), (Kind::TENSOR_COMMITMENT, 1 << 13), (Kind::NETWORK, 1 << 40)]
    {
        let mut bytes = artefact::encode(kind, 1, b"");
        bytes[14..22].copy_from_slice(&length.to_le_bytes());
        let file = fs::File::create(&path).unwrap();
        std::io::Write::write_all(&mut &file, &bytes[..22]).unwrap();
        file.set_len(length + 54).unwrap();
        let error = artefact::read(&path, kind, 1).unwrap_err();
        assert!(matches!(error.cause(), ArtefactError::TooLong { limit } if *limit < length), "{kind}: {error}");
    }
}

/// Guards: a proving key or an opening, which nothing can make again, written over by a file of another kind.
#[test]
fn what_nothing_can_make_again_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    for kind in [Kind::PROVING_KEY, Kind::TENSOR_OPENING] {
        artefact::write_atomic(&path, kind, 1, b"old").unwrap();
        let exists = |result: Result<(), ArtefactError>| {
            let error = result.unwrap_err();
            assert!(matches!(error, ArtefactError::Exists { .. }), "{error}");
            assert_eq!(artefact::read(&path, kind, 1).unwrap(), b"old");
        };
        exists(artefact::write_atomic(&path, Kind::NETWORK, 1, b"new"));
        exists(artefact::replace_file(&path, &[b"new"], false));
        exists(artefact::check_writable(&path));
        exists(artefact::write_new(&path, kind, 1, b"new"));
        artefact::check_replaceable(&path, Some(kind)).unwrap();
        artefact::write_atomic(&path, kind, 1, b"new").unwrap();
        assert_eq!(artefact::read(&path, kind, 1).unwrap(), b"new");
        fs::remove_file(&path).unwrap();
    }
    artefact::write_atomic(&path, Kind::NETWORK, 1, b"old").unwrap();
    artefact::replace_file(&path, &[b"new"], false).unwrap();
}

#[test]
fn failed_write_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    artefact::write_atomic(&path, Kind::NETWORK, 1, b"old").unwrap();
    // A folder cannot be replaced by a file, and a file is no folder to write into.
    let error = artefact::write_atomic(&path.join("b"), Kind::NETWORK, 1, b"new").unwrap_err();
    assert!(matches!(error, ArtefactError::Io { .. }), "{error}");
    assert!(artefact::write_atomic(folder.path(), Kind::NETWORK, 1, b"new").is_err());
    assert_eq!(artefact::read(&path, Kind::NETWORK, 1).unwrap(), b"old");
    artefact::write_atomic(&path, Kind::NETWORK, 1, b"new").unwrap();
    assert_eq!(artefact::read(&path, Kind::NETWORK, 1).unwrap(), b"new");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn secret_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let mode = |kind| {
        artefact::write_atomic(&path, kind, 1, b"").unwrap();
        fs::metadata(&path).unwrap().permissions().mode() & 0o777
    };
    let plain = folder.path().join("plain");
    fs::write(&plain, b"").unwrap();
    assert_eq!(mode(Kind::SRS), fs::metadata(&plain).unwrap().permissions().mode() & 0o777);
    assert_eq!(mode(Kind::NETWORK), 0o600, "although the file was there with another mode");
    // The first bytes say so too, and a file whose first bytes say otherwise is refused.
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.starts_with(&artefact::SECRET_MAGIC));
    bytes[..8].copy_from_slice(&artefact::MAGIC);
    let error = artefact::decode(&bytes, Kind::NETWORK, 1).unwrap_err();
    assert!(matches!(error, ArtefactError::Secrecy { kind: Kind::NETWORK }), "{error}");
}

#[test]
fn fields_round_trip() {
    let scalar = Fr::random(Seeded(1));
    let p = (G1Affine::generator() * scalar).to_affine();
    let q = (G2Affine::generator() * scalar).to_affine();
    let mut out = Writer::new();
    out.u8(1).u16(2).u32(3).u64(4).i64(-5).bool(true).bytes(b"six").string("seven");
    out.fr(&scalar).g1(&p).g2(&q).g1(&G1Affine::identity()).g2(&G2Affine::identity()).count(2).g1_many(&[p, p]);
    let bytes = out.into_bytes();
    let read = |bytes: &[u8]| -> Result<(), FieldError> {
        let mut input = Reader::new(bytes);
        let small = (input.u8("a")?, input.u16("b")?, input.u32("c")?, input.u64("d")?, input.i64("e")?);
        assert_eq!(small, (1, 2, 3, 4, -5));
        assert!(input.bool("f")?);
        assert_eq!((input.bytes("g")?, input.string("h")?), (&b"six"[..], "seven"));
        assert_eq!((input.fr("i")?, input.g1("j")?, input.g2("k")?), (scalar, p, q));
        assert!(bool::from(input.g1("l")?.is_identity() & input.g2("m")?.is_identity()));
        let count = input.count("n", G1_BYTES)?;
        assert_eq!(input.g1_many("o", count)?, [p, p]);
        input.finish()
    };
    read(&bytes).unwrap();
    for len in 0..bytes.len() {
        assert!(matches!(read(&bytes[..len]), Err(FieldError::End { .. })), "{len} bytes");
    }
    assert!(matches!(read(&[&bytes[..], &[0]].concat()), Err(FieldError::Trailing { left: 1, .. })));
}

/// Guards: a length or count that is a lie, before anything is allocated for it.
#[test]
fn lengths_are_bounded_by_the_input() {
    for claimed in [9, 1 << 40, u64::MAX] {
        let mut out = Writer::new();
        out.u64(claimed).raw(&[0; 8]);
        let bytes = out.into_bytes();
        assert!(matches!(Reader::new(&bytes).bytes("x"), Err(FieldError::End { left: 8, .. })));
        assert!(matches!(Reader::new(&bytes).count("x", 3), Err(FieldError::End { .. })));
        assert!(matches!(Reader::new(&bytes).g1_many("x", claimed as usize), Err(FieldError::End { .. })));
    }
    assert!(matches!(Reader::new(&[2]).bool("x"), Err(FieldError::Value { got: 2, .. })));
    let mut out = Writer::new();
    out.bytes(&[0xff]);
    assert!(matches!(Reader::new(&out.into_bytes()).string("x"), Err(FieldError::Utf8 { .. })));
}

/// Guards: the byte order of the EVM's precompiles, by the generators as EIP-197 prints them.
#[test]
fn points_are_in_evm_order() {
    let g1 = artefact::encode_g1(&G1Affine::generator());
    assert_eq!((g1[31], g1[63], g1.iter().map(|b| u32::from(*b)).sum::<u32>()), (1, 2, 3));
    let g2 = artefact::encode_g2(&G2Affine::generator());
    let x_imaginary = "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2";
    assert_eq!(hex::encode(&g2[..32]), x_imaginary);
}

#[test]
fn second_spellings_and_strangers_are_refused() {
    // q and r themselves, which are zero written another way.
    let q: [u8; 32] = {
        let mut bytes = (-Fq::ONE).to_repr();
        bytes.as_mut().reverse();
        let mut bytes: [u8; 32] = bytes.as_ref().try_into().unwrap();
        bytes[31] += 1;
        bytes
    };
    let mut point = [0; 64];
    point[..32].copy_from_slice(&q);
    assert_eq!(artefact::decode_g1(&point), Err(EncodingError::NotCanonical("x coordinate")));
    let mut r = artefact::encode_fr(&-Fr::ONE);
    r[31] += 1;
    assert_eq!(artefact::decode_fr(&r), Err(EncodingError::NotCanonical("scalar")));
    assert_eq!(artefact::decode_fr(&[0xff; 32]), Err(EncodingError::NotCanonical("scalar")));
    let outside = outside_subgroup();
    assert_eq!(artefact::decode_g2(&artefact::encode_g2(&outside)), Err(EncodingError::NotInSubgroup));
    let off = G2Affine { y: outside.y + Fq2::ONE, ..outside };
    assert_eq!(artefact::decode_g2(&artefact::encode_g2(&off)), Err(EncodingError::NotOnCurve));
}

#[test]
fn verifier_part_round_trips_inside_other_artefacts() {
    let part = srs(3).verifier_part();
    let mut out = Writer::new();
    part.encode(&mut out).unwrap();
    let bytes = out.into_bytes();
    let mut input = Reader::new(&bytes);
    assert!(SrsVerifier::decode(&mut input).unwrap() == part);
    input.finish().unwrap();
    for len in 0..bytes.len() {
        assert!(SrsVerifier::decode(&mut Reader::new(&bytes[..len])).is_err());
    }
}
