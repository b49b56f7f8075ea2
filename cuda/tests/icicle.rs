//! ICICLE's adapter, with libraries that stand in for ICICLE: see `fake/icicle.cpp`. It has not met the true ones.
#![cfg(all(feature = "icicle", feature = "emulator", unix))]

use ff::{Field, PrimeField};
use group::{Curve, Group};
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use inferproof_cuda::icicle::{FAKES, Icicle, IcicleCode, IcicleError, IciclePoints};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

fn open() -> Result<Arc<Icicle>, IcicleError> {
    Icicle::open(Path::new(FAKES[0]), "FAKE", 0)
}

fn random(n: usize, rng: &mut StdRng) -> Vec<Fr> {
    (0..n).map(|_| Fr::random(&mut *rng)).collect()
}

fn points(n: usize, rng: &mut StdRng) -> Vec<G1Affine> {
    let mut points: Vec<G1> = (0..n).map(|_| G1::random(&mut *rng)).collect();
    if n > 4 {
        (points[1], points[2], points[3]) = (points[0], -points[0], G1::identity());
    }
    let mut affine = vec![G1Affine::default(); n];
    G1::batch_normalize(&points, &mut affine);
    affine
}

fn sum(scalars: &[Fr], points: &[G1Affine]) -> G1 {
    scalars.iter().zip(points).fold(G1::identity(), |sum, (scalar, point)| sum + G1::from(*point) * scalar)
}

/// Columns of the kinds that proofs have, of several lengths: those next to each other that are as long as each other are summed in one call.
#[test]
fn sums() {
    let icicle = open().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let points = points(33, &mut rng);
    let on_device = IciclePoints::new(&icicle, &points).unwrap();
    let full = random(33, &mut rng);
    let mut skewed = vec![Fr::from(3); 33];
    skewed[32] = full[0];
    let small = (0..33).map(|i| if i % 3 == 0 { -Fr::from(i) } else { Fr::from(i) }).collect();
    let mut single = vec![Fr::ZERO; 33];
    single[0] = -Fr::ONE;
    // The first and the third point are opposite.
    let mut nothing = vec![Fr::ZERO; 33];
    (nothing[0], nothing[2]) = (full[1], full[1]);
    let columns = vec![
        full.clone(),
        skewed,
        small,
        single,
        nothing,
        vec![Fr::ZERO; 33],
        full[..7].to_vec(),
        vec![],
        full[..1].to_vec(),
        vec![],
        vec![],
        full,
    ];
    let refs: Vec<&[Fr]> = columns.iter().map(Vec::as_slice).collect();
    let expected: Vec<G1> = refs.iter().map(|column| sum(column, &points)).collect();
    assert_eq!(on_device.sums(&refs).unwrap(), expected);
    assert_eq!(expected[4], G1::identity());
    assert_eq!(on_device.sums(&[]).unwrap(), []);
    assert_eq!(IciclePoints::new(&icicle, &[]).unwrap().sums(&[&[], &[]]).unwrap(), [G1::identity(); 2]);
}

#[test]
#[should_panic(expected = "3 scalars for 2 points")]
fn more_scalars_than_points() {
    let icicle = open().unwrap();
    let points = IciclePoints::new(&icicle, &[G1Affine::generator(); 2]).unwrap();
    let _ = points.sums(&[&[Fr::ONE; 3]]);
}

/// Sizes on both sides of that which the domain is made for at first; and back, with the domain of the greatest.
#[test]
fn transforms() {
    let icicle = open().unwrap();
    let mut rng = StdRng::seed_from_u64(2);
    for k in (0..=11).chain([3, 0, 10]) {
        let n = 1 << k;
        let omega = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
        let polynomial = random(n, &mut rng);
        for shift in [Fr::ONE, Fr::MULTIPLICATIVE_GENERATOR, Fr::random(&mut rng)] {
            let mut values = vec![Fr::ZERO; n];
            icicle.evaluate_on_coset(&polynomial, shift, &mut values).unwrap();
            for i in [0, 1, n / 2, n - 1].map(|i| i % n) {
                let x = shift * omega.pow_vartime([i as u64]);
                assert_eq!(values[i], polynomial.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c), "k {k}, {i}");
            }
            if shift == Fr::ONE {
                let mut coefficients = vec![Fr::ZERO; n];
                icicle.interpolate(&values, &mut coefficients).unwrap();
                assert_eq!(coefficients, polynomial);
            }
        }
    }
}

/// Each of two devices takes the domain from the other, and threads have a device each.
#[test]
fn devices_and_threads() {
    let [first, second] = [0, 1].map(|number| Icicle::open(Path::new(FAKES[0]), "FAKE", number).unwrap());
    assert_eq!([first.name(), second.name()], ["FAKE 0", "FAKE 1"]);
    let polynomial = random(1 << 9, &mut StdRng::seed_from_u64(3));
    let run = |icicle: &Arc<Icicle>| {
        let (mut values, mut coefficients) = (vec![Fr::ZERO; 1 << 9], vec![Fr::ZERO; 1 << 9]);
        icicle.evaluate_on_coset(&polynomial, Fr::ONE, &mut values).unwrap();
        icicle.interpolate(&values, &mut coefficients).unwrap();
        assert_eq!(coefficients, polynomial);
        let points = IciclePoints::new(icicle, &[G1Affine::generator(); 2]).unwrap();
        assert_eq!(points.sums(&[&[Fr::from(2), Fr::from(3)]]).unwrap(), [G1::generator() * Fr::from(5)]);
    };
    std::thread::scope(|scope| {
        for icicle in [&first, &second, &first] {
            scope.spawn(move || (0..5).for_each(|_| run(icicle)));
        }
    });
}

fn file(library: &str) -> String {
    format!("{DLL_PREFIX}{library}{DLL_SUFFIX}")
}

/// A folder with some libraries of the fakes', each under the name that it is to have.
fn folder(name: &str, libraries: &[(usize, &str, &str)]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("inferproof-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (fake, from, to) in libraries {
        std::fs::copy(Path::new(FAKES[*fake]).join(file(from)), folder.join(file(to))).unwrap();
    }
    folder
}

#[test]
fn what_is_missing_is_named() {
    let missing = Path::new("no-such-folder");
    let error = Icicle::open(missing, "FAKE", 0).unwrap_err();
    let IcicleError::Library { path, reason } = &error else { panic!("{error}") };
    assert_eq!(path, &missing.join(file("icicle_device")));
    assert!(
        !reason.is_empty() && error.to_string().starts_with("ICICLE cannot be loaded from no-such-folder"),
        "{error}"
    );

    let some = folder("some", &[(0, "icicle_device", "icicle_device")]);
    let error = Icicle::open(&some, "FAKE", 0).unwrap_err();
    assert!(
        matches!(&error, IcicleError::Library { path, .. } if *path == some.join(file("icicle_field_bn254"))),
        "{error}"
    );
    // A text, and another library.
    std::fs::write(some.join(file("icicle_field_bn254")), "text").unwrap();
    assert!(matches!(Icicle::open(&some, "FAKE", 0).unwrap_err(), IcicleError::Library { .. }));
    let libraries = [(0, "icicle_device", "icicle_device"), (0, "icicle_curve_bn254", "icicle_field_bn254")];
    let others = folder("others", &libraries);
    let error = Icicle::open(&others, "FAKE", 0).unwrap_err();
    let library = file("icicle_field_bn254");
    assert_eq!(error, IcicleError::Function { library, function: "bn254_ntt_init_domain" });
    for folder in [some, others] {
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_device_that_there_is_not() {
    let error = |device: &str, number| Icicle::open(Path::new(FAKES[0]), device, number).unwrap_err();
    let expected = |device: &str, code| IcicleError::Device { device: device.into(), code };
    assert_eq!(error("METAL", 0), expected("METAL 0", IcicleCode::InvalidDevice));
    assert_eq!(error("FAKE", 2), expected("FAKE 2", IcicleCode::InvalidDevice));
    let long = "x".repeat(64);
    assert_eq!(error(&long, 0), expected(&format!("{long} 0"), IcicleCode::InvalidArgument));
    assert_eq!(error("FAKE", u32::MAX), expected("FAKE 4294967295", IcicleCode::InvalidArgument));
    assert!(Icicle::open(Path::new(FAKES[0]), "CPU", 0).is_ok());
}

/// All that ICICLE is used for.
fn use_all(folder: &str) -> Result<(), IcicleError> {
    let icicle = Icicle::open(Path::new(folder), "FAKE", 0)?;
    let points = IciclePoints::new(&icicle, &[G1Affine::generator(); 3])?;
    assert_eq!(points.sums(&[&[Fr::ONE; 3]])?, [G1::generator() * Fr::from(3)]);
    let mut values = vec![Fr::ZERO; 1 << 9];
    icicle.evaluate_on_coset(&[Fr::ONE; 1 << 9], Fr::ONE, &mut values)?;
    assert_eq!(values[0], Fr::from(1 << 9));
    Ok(())
}

/// For a process of its own, where the environment says what the library does and which it is.
#[test]
#[ignore = "run by others"]
fn a_process() {
    let folder = std::env::var("ICICLE_FOLDER").unwrap_or_else(|_| FAKES[0].into());
    println!("result: {:?}", use_all(&folder));
}

fn process(folder: &str, behaviour: &str) -> Output {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["a_process", "--exact", "--ignored", "--nocapture"]);
    program.env("ICICLE_FOLDER", folder).env("FAKE_ICICLE", behaviour);
    program.output().unwrap()
}

/// Holds the process with that behaviour to a result.
fn gives(folder: &str, behaviour: &str, expected: &Result<(), IcicleError>) {
    let output = process(folder, behaviour);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{behaviour}: {said}");
    assert!(said.contains(&format!("result: {expected:?}\n")), "{behaviour}: {said}");
}

const CODES: [IcicleCode; 15] = [
    IcicleCode::InvalidDevice,
    IcicleCode::OutOfMemory,
    IcicleCode::InvalidPointer,
    IcicleCode::AllocationFailed,
    IcicleCode::DeallocationFailed,
    IcicleCode::CopyFailed,
    IcicleCode::SynchronizationFailed,
    IcicleCode::StreamCreationFailed,
    IcicleCode::StreamDestructionFailed,
    IcicleCode::ApiNotImplemented,
    IcicleCode::InvalidArgument,
    IcicleCode::BackendLoadFailed,
    IcicleCode::LicenseCheckError,
    IcicleCode::UnknownError,
    IcicleCode::Other(15),
];

/// Every code of every call, at its first call and at a later one.
#[test]
fn calls_that_fail() {
    gives(FAKES[0], "", &Ok(()));
    for (code, number) in CODES.into_iter().zip(1..) {
        gives(FAKES[0], &format!("bn254_msm={number}"), &Err(IcicleError::Failed { call: "bn254_msm", code }));
    }
    let code = IcicleCode::LicenseCheckError;
    let device = || IcicleError::Device { device: "FAKE 0".into(), code };
    let failed = |call| IcicleError::Failed { call, code };
    for (behaviour, error) in [
        ("icicle_is_device_available=13", device()),
        ("icicle_set_device=13", device()),
        ("icicle_set_device=13,skip=1", failed("icicle_set_device")),
        ("icicle_malloc=13", failed("icicle_malloc")),
        ("icicle_malloc=13,skip=1", failed("icicle_malloc")),
        ("icicle_malloc=2,skip=1", IcicleError::OutOfMemory { needed: 192 }),
        ("memory=100", IcicleError::OutOfMemory { needed: 64 << 9 }),
        ("icicle_copy_to_device=13", failed("icicle_copy_to_device")),
        ("bn254_msm=13,skip=1", failed("bn254_msm")),
        ("bn254_ntt_init_domain=13", failed("bn254_ntt_init_domain")),
        ("bn254_ntt_init_domain=13,skip=1", failed("bn254_ntt_init_domain")),
        ("bn254_ntt=13", failed("bn254_ntt")),
        ("bn254_ntt=13,skip=4", failed("bn254_ntt")),
        ("backend=0", IcicleError::Device { device: "FAKE 0".into(), code: IcicleCode::InvalidDevice }),
    ] {
        gives(FAKES[0], behaviour, &Err(error));
    }
    // That a domain is not released is no error by itself: there may be none. What follows is.
    let small = IcicleError::Failed { call: "bn254_ntt", code: IcicleCode::InvalidArgument };
    gives(FAKES[0], "bn254_ntt_release_domain=13", &Err(small));
}

/// What another version computes is not taken for what it should be, nor a domain that is another's.
#[test]
fn other_versions() {
    let differs = |what| Err(IcicleError::Differs { what });
    gives(FAKES[1], "", &differs("a sum that is no point"));
    let libraries = [(0, "icicle_device"), (1, "icicle_field_bn254"), (0, "icicle_curve_bn254")];
    let mixed = folder("mixed", &libraries.map(|(fake, library)| (fake, library, library)));
    gives(mixed.to_str().unwrap(), "", &differs("a transform"));
    std::fs::remove_dir_all(mixed).unwrap();
    gives(FAKES[0], "results=jacobian", &differs("a sum that is no point"));
    gives(FAKES[0], "root=own", &differs("a transform"));
    // All three coordinates times a constant are the same point.
    gives(FAKES[0], "results=montgomery", &Ok(()));
    // A domain of another root is released.
    gives(FAKES[0], "domain=own", &Ok(()));
}

/// There is nothing to catch an exception of a C++ library with.
#[test]
fn exceptions_end_the_process() {
    for call in ["bn254_msm", "bn254_ntt", "icicle_malloc"] {
        assert!(!process(FAKES[0], &format!("{call}=-1")).status.success(), "{call}");
    }
}
