//! Every method of the fast engine against its definition, at sizes and values where fast algorithms go wrong.

use super::lanes::powers;
use super::*;
use ff::Field;
use group::Group;
use halo2_proofs::halo2curves::bn256::G1Affine;
use inferproof_circuits::machine::{Challenges, UNUSABLE_ROWS};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Points whose logarithms do not matter.
fn points(count: usize, rng: &mut StdRng) -> Vec<G1Affine> {
    let mut points: Vec<G1> = (0..count).map(|_| G1::random(&mut *rng)).collect();
    // Equal points, opposite points and the identity are points like others.
    if count > 4 {
        (points[1], points[2], points[3]) = (points[0], -points[0], G1::identity());
    }
    points.into_iter().map(Into::into).collect()
}

/// Columns of the kinds that proofs have, and the ends of the range.
fn columns(n: usize, rng: &mut StdRng) -> Vec<Vec<Fr>> {
    let mut random = || Fr::random(&mut *rng);
    let full: Vec<Fr> = (0..n).map(|_| random()).collect();
    let mut blinded = vec![Fr::ZERO; n];
    blinded.iter_mut().rev().take(6).for_each(|cell| *cell = random());
    let mut small: Vec<Fr> = (0..n as u64).map(|i| Fr::from(i * i % 251)).collect();
    let signed = small.iter().enumerate().map(|(i, v)| if i % 3 == 0 { -*v } else { *v }).collect();
    let mut half = full.clone();
    half[..n / 2].fill(Fr::ZERO);
    let mut single = vec![Fr::ZERO; n];
    single[n - 1] = Fr::ONE;
    let large = vec![Fr::from(u64::MAX); n];
    small[n - 1] = random();
    vec![full, blinded, small, signed, half, single, large, vec![Fr::ZERO; n], vec![Fr::ONE; n], vec![-Fr::ONE; n]]
}

/// A circuit of random columns, with cycles of many lengths.
fn circuit(k: u32, rng: &mut StdRng, check: impl Fn(SrsPoints<'_>, &dyn Fn() -> CircuitData)) {
    let n = 1usize << k;
    let (lagrange, powers) = (points(n, rng), points(n + 1, rng));
    let shape = Shape::Single;
    let fixed: Vec<Vec<Fr>> =
        (0..shape.fixed()).map(|i| (0..n - i.min(n)).map(|_| Fr::random(&mut *rng)).collect()).collect();
    let mut permutation: Vec<u32> = (0..(COPY_COLUMNS * n) as u32).collect();
    for i in (1..permutation.len()).step_by(2) {
        let j = rng.gen_range(0..i);
        permutation.swap(i, j);
    }
    let points = SrsPoints { lagrange: &lagrange, powers: &powers };
    check(points, &|| CircuitData { shape, k, fixed: fixed.clone(), permutation: permutation.clone() });
}

/// Holds an engine to [`ReferenceEngine`] on columns of `2^k` rows; `read` gives what a vector holds.
fn conforms<E: Engine>(engine: &E, k: u32, with_commitments: bool, read: impl Fn(&E::Vector) -> Vec<Fr>) {
    let mut rng = StdRng::seed_from_u64(u64::from(k));
    let columns = columns(1 << k, &mut rng);
    let [beta, gamma, x] = [(); 3].map(|()| Fr::random(&mut rng));
    let tail: Vec<Fr> = (1..UNUSABLE_ROWS).map(|_| Fr::random(&mut rng)).collect();
    let naive = ReferenceEngine;
    circuit(k, &mut rng, |points, data| {
        let key = engine.load(engine.bases(points).unwrap().into(), data()).unwrap();
        let reference = naive.load(naive.bases(points).unwrap().into(), data()).unwrap();
        let fixed: Vec<_> = engine.fixed(&key).into_iter().map(&read).collect();
        assert_eq!(fixed.iter().collect::<Vec<_>>(), naive.fixed(&reference));
        assert_eq!(engine.permutation(&key).map(&read), naive.permutation(&reference).map(Clone::clone));
        let vectors: Vec<_> = columns.iter().map(|rows| engine.column(&key, rows.clone().into()).unwrap()).collect();
        let (own, theirs): (Vec<_>, Vec<_>) = (vectors.iter().collect(), columns.iter().collect());
        if with_commitments {
            let expected = naive.commit_columns(&reference, &theirs).unwrap();
            assert_eq!(engine.commit_columns(&key, &own).unwrap(), expected);
            assert_eq!(engine.commit(&key, &own).unwrap(), naive.commit(&reference, &theirs).unwrap());
        }
        for (own, theirs) in own.windows(3).zip(theirs.windows(3)) {
            let expected =
                naive.copy_product(&reference, [theirs[0], theirs[1], theirs[2]], beta, gamma, &tail).unwrap();
            let product = engine.copy_product(&key, [own[0], own[1], own[2]], beta, gamma, &tail).unwrap();
            assert_eq!(read(&product), expected);
        }
        let expected = naive.interpolate(&reference, columns.clone()).unwrap();
        let polynomials = engine.interpolate(&key, vectors).unwrap();
        assert_eq!(polynomials.iter().map(&read).collect::<Vec<_>>(), expected);
        for point in [x, Fr::ZERO, Fr::ONE, -Fr::ONE] {
            let queries: Vec<_> = polynomials.iter().map(|p| (p, point)).collect();
            let naive_queries: Vec<_> = expected.iter().map(|p| (p, point)).collect();
            let values = naive.evaluate(&reference, &naive_queries).unwrap();
            assert_eq!(engine.evaluate(&key, &queries).unwrap(), values);
            let factors = powers(point + beta, polynomials.len());
            let terms: Vec<_> = factors.iter().copied().zip(&polynomials).collect();
            let naive_terms: Vec<_> = factors.iter().copied().zip(&expected).collect();
            let sum = engine.combine(&key, &terms, gamma, x).unwrap();
            let naive_sum = naive.combine(&reference, &naive_terms, gamma, x).unwrap();
            assert_eq!(read(&sum), naive_sum);
            let quotient = engine.divide(&key, &sum, point).unwrap();
            let naive_quotient = naive.divide(&reference, &naive_sum, point).unwrap();
            assert_eq!(read(&quotient), naive_quotient);
            // (X - point) q + sum(point) = sum, at a point of its own.
            let at = |p: &Vec<Fr>, x| naive.evaluate(&reference, &[(p, x)]).unwrap()[0];
            assert_eq!((gamma - point) * at(&naive_quotient, gamma) + at(&naive_sum, point), at(&naive_sum, gamma));
            // A quotient has a coefficient less than a polynomial, and is combined like one.
            let again = engine.combine(&key, &[(x, &quotient), (beta, &polynomials[0])], beta, x).unwrap();
            let naive_again =
                naive.combine(&reference, &[(x, &naive_quotient), (beta, &expected[0])], beta, x).unwrap();
            assert_eq!(read(&again), naive_again);
        }
    });
}

#[test]
fn every_method_is_its_definition() {
    for k in 3..=6 {
        conforms(&CpuEngine::default(), k, true, |column| column.to_vec());
    }
    // More rows than a task works on.
    conforms(&CpuEngine::default(), 10, false, |column| column.to_vec());
}

/// The kernels run in an emulator; on a device too where `INFERPROOF_CUDA_TESTS` is set.
#[test]
fn kernels_are_their_definition() {
    for engine in cuda::devices(&[0, 1, 7]) {
        for k in 3..=5 {
            conforms(&engine, k, true, |column| column.to_vec().unwrap());
        }
        conforms(&engine, 9, false, |column| column.to_vec().unwrap());
    }
}

/// With a library that stands in for ICICLE, whose domain grows with the sizes.
#[cfg(unix)]
#[test]
fn icicle_is_the_definition() {
    let mut engine = IcicleEngine::open(inferproof_cuda::icicle::FAKES[0].as_ref(), "FAKE", 0).unwrap();
    for k in [3, 6, 9] {
        conforms(&engine, k, k < 9, |column| column.to_vec());
    }
    engine.keep_cosets = true;
    conforms(&engine, 4, true, |column| column.to_vec());
}

/// What goes wrong there is an error of the engine's: seen in a process of its own, since the environment says what the library does.
#[cfg(unix)]
#[test]
fn icicle_fails() {
    let fails = |behaviour: &str, expected: &str| {
        let mut program = std::process::Command::new(std::env::current_exe().unwrap());
        program.args(["engine::tests::an_icicle_that_fails", "--exact", "--ignored", "--nocapture"]);
        let output = program.env("FAKE_ICICLE", behaviour).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains(expected), "{behaviour}: {said}");
    };
    // The points of the check and of the Lagrange basis take one allocation each, and the check has one sum and two transforms.
    fails("icicle_malloc=2,skip=2", "bases: the engine needs 1088 bytes more than its device has");
    fails("bn254_ntt=6,skip=2", "load: the engine failed: ICICLE failed in bn254_ntt: a copy failed");
    fails(
        "bn254_msm=13,skip=1",
        "commit: the engine failed: ICICLE failed in bn254_msm: the licence is missing or invalid",
    );
    fails("", "all is well");
}

#[cfg(unix)]
#[test]
#[ignore = "run by another"]
fn an_icicle_that_fails() {
    let mut rng = StdRng::seed_from_u64(1);
    let engine = IcicleEngine::open(inferproof_cuda::icicle::FAKES[0].as_ref(), "FAKE", 0).unwrap();
    circuit(4, &mut rng, |points, data| {
        let run = || {
            let bases = engine.bases(points).map_err(|error| ("bases", error))?;
            let key = engine.load(bases.into(), data()).map_err(|error| ("load", error))?;
            let column = engine.column(&key, vec![Fr::ONE; 16].into()).unwrap();
            engine.commit(&key, &[&column]).map_err(|error| ("commit", error))
        };
        match run() {
            Ok(_) => println!("all is well"),
            Err((step, error)) => println!("{step}: {error}"),
        }
    });
}

/// Less memory is used where there is less; too little is an error with a name, and what was taken is given back.
#[test]
fn a_device_may_be_too_small() {
    use inferproof_cuda::Emulator;
    let mut rng = StdRng::seed_from_u64(1);
    circuit(4, &mut rng, |points, data| {
        let load = |engine: &CudaEngine| engine.load(engine.bases(points)?.into(), data());
        let whole = Arc::new(Emulator::new(0));
        let key = load(&CudaEngine::on(whole.clone())).unwrap();
        let needed = whole.used();
        drop(key);
        assert_eq!(whole.used(), 0);
        let mut fits = vec![];
        for memory in (0..8).map(|part| needed * part / 8) {
            let small = Arc::new(Emulator::with_memory(0, memory));
            match load(&CudaEngine::on(small.clone())) {
                Ok(key) => {
                    assert!(small.used() <= memory);
                    drop(key);
                    fits.push(memory);
                }
                Err(error) => assert!(matches!(error, EngineError::OutOfMemory { .. }), "{error}"),
            }
            assert_eq!(small.used(), 0);
        }
        assert!(!fits.is_empty() && fits.len() < 7, "{fits:?} of {needed}");
    });
}

/// Any polynomial of degree below `4 n` is put together again from its values on the cosets.
#[test]
fn pieces_are_the_polynomial() {
    let mut rng = StdRng::seed_from_u64(6);
    for k in [4, 9, 10] {
        let domain = Domain::new(k);
        let n = domain.n();
        let polynomial: Vec<Fr> = (0..PIECES * n).map(|_| Fr::random(&mut rng)).collect();
        let shifts = domain.cosets(PIECES);
        let coset = |shift: &Fr| {
            // Modulo X^n - shift^n, then from X to shift X.
            let step = shift.pow_vartime([n as u64]);
            let parts = polynomial.chunks_exact(n).rev();
            let reduced = parts
                .fold(vec![Fr::ZERO; n], |sum, part| sum.iter().zip(part).map(|(sum, c)| *sum * step + c).collect());
            let scaled: Vec<Fr> = reduced.iter().zip(powers(*shift, n)).map(|(c, power)| *c * power).collect();
            scaled.into()
        };
        let pieces = cpu::pieces(&domain, &shifts, shifts.iter().map(coset).collect());
        for (piece, expected) in pieces.iter().zip(polynomial.chunks_exact(n)) {
            assert_eq!(&piece[..], expected, "k {k}");
        }
    }
}

#[test]
fn transforms_of_every_size() {
    let mut rng = StdRng::seed_from_u64(2);
    for k in 1..=11 {
        let domain = Domain::new(k);
        let n = domain.n();
        assert_eq!(domain.omega().pow_vartime([n as u64 / 2]), -Fr::ONE, "of order n");
        for column in columns(n.max(8), &mut rng) {
            let column = column[..n].to_vec();
            let mut values = column.clone();
            domain.evaluate(&mut values);
            for i in [0, 1, n / 2, n - 1] {
                let point = domain.omega().pow_vartime([i as u64]);
                assert_eq!(values[i], column.iter().rev().fold(Fr::ZERO, |sum, c| sum * point + c), "k {k}, row {i}");
            }
            domain.interpolate(&mut values);
            assert_eq!(values, column);
        }
    }
}

/// The quotient's coefficients are those of the numerator divided, whatever the witness is: where it violates the constraints, there is none.
#[test]
fn a_witness_that_violates_has_no_quotient() {
    let mut rng = StdRng::seed_from_u64(4);
    let mut column = || (0..16).map(|_| Fr::random(&mut rng)).collect::<Vec<_>>();
    let witness = Witness {
        advice: (0..Shape::Single.advice()).map(|_| column()).collect(),
        instance: column(),
        product: column(),
    };
    let mut rng = StdRng::seed_from_u64(5);
    let [channel, position, alpha, beta] = [2, 3, 5, 7].map(Fr::from);
    let machine = Challenges { channel, position, alpha, beta };
    let challenges = QuotientChallenges { machine, beta: Fr::from(11), gamma: Fr::from(13), y: Fr::from(17) };
    circuit(4, &mut rng, |points, data| {
        let reference = ReferenceEngine.load(ReferenceEngine.bases(points).unwrap().into(), data()).unwrap();
        assert!(ReferenceEngine.quotient(&reference, &witness, &challenges).is_err());
    });
}
