//! Sums of points against their definition.
#![cfg(any(feature = "emulator", feature = "driver"))]

mod common;
mod guarded;

use ff::Field;
use group::Curve;
use halo2_proofs::arithmetic::best_multiexp;
use halo2_proofs::halo2curves::bn256::{Fr, G1, G1Affine};
use inferproof_cuda::{Bases, Buffer, Device, DeviceError, Precomputed};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

/// Points with their logarithms, so that a sum is one product.
struct Points {
    logs: Vec<Fr>,
    points: Vec<G1Affine>,
}

impl Points {
    /// `a, a + b, a + 2 b, ...` for random `a` and `b`.
    fn walk(count: usize, rng: &mut StdRng) -> Self {
        let [mut log, step] = [(); 2].map(|()| Fr::random(&mut *rng));
        let (mut at, step_point) = (G1::generator() * log, G1::generator() * step);
        let (mut logs, mut walk) = (Vec::new(), Vec::new());
        for _ in 0..count {
            logs.push(log);
            walk.push(at);
            log += step;
            at += step_point;
        }
        Self { logs, points: affine(&walk) }
    }

    fn of_logs(logs: Vec<Fr>) -> Self {
        let points = affine(&logs.iter().map(|log| G1::generator() * log).collect::<Vec<_>>());
        Self { logs, points }
    }

    fn sum(&self, scalars: &[Fr]) -> G1 {
        G1::generator() * scalars.iter().zip(&self.logs).map(|(scalar, log)| *scalar * log).sum::<Fr>()
    }
}

fn affine(points: &[G1]) -> Vec<G1Affine> {
    let mut affine = vec![G1Affine::default(); points.len()];
    G1::batch_normalize(points, &mut affine);
    affine
}

/// Columns of all kinds that proofs have, and of values where digits carry.
fn columns(n: usize, rng: &mut StdRng) -> Vec<Vec<Fr>> {
    let full: Vec<Fr> = (0..n).map(|_| Fr::random(&mut *rng)).collect();
    let tail: Vec<Fr> = (0..6.min(n)).map(|_| Fr::random(&mut *rng)).collect();
    let blind = |mut column: Vec<Fr>| {
        column[n - tail.len()..].copy_from_slice(&tail);
        column
    };
    let each = |f: &dyn Fn(u64) -> Fr| (0..n as u64).map(f).collect::<Vec<_>>();
    let negate = |odd: bool, v: Fr| if odd { -v } else { v };
    let half_order = -Fr::from(2).invert().unwrap();
    let mut single = vec![Fr::ZERO; n];
    single.iter_mut().next_back().into_iter().for_each(|last| *last = Fr::ONE);
    let mut half = full.clone();
    half[..n / 2].fill(Fr::ZERO);
    vec![
        blind(vec![Fr::ZERO; n]),
        blind(each(&|i| Fr::from(i * i % 251))),
        blind(each(&|i| negate(i % 3 == 0, Fr::from(i * 40_503 % (1 << 16))))),
        // Powers of two, and what is around them: where digits are largest, and where carries run.
        each(&|i| Fr::from(2).pow([i % 255]) + Fr::from(i / 255 % 3) - Fr::ONE),
        // The largest magnitudes of either sign.
        each(&|i| negate(i % 2 == 0, half_order - Fr::from(i / 2))),
        each(&|i| negate(i % 7 == 0, Fr::from(u64::MAX))),
        full,
        half,
        single,
        vec![Fr::ZERO; n],
        vec![Fr::ONE; n],
        vec![-Fr::ONE; n],
        vec![half_order; n],
        vec![-Fr::from(32_768); n],
    ]
}

/// Emulators of the first `orders` orders of threads, and the CUDA device that tests may use.
fn devices(orders: usize) -> Vec<Arc<dyn Device>> {
    let (emulators, others): (Vec<_>, Vec<_>) =
        guarded::devices().into_iter().partition(|device| device.name() == "emulator");
    emulators.into_iter().take(orders).chain(others).collect()
}

fn sums(bases: &Bases, device: &Arc<dyn Device>, columns: &[Vec<Fr>]) -> Result<Vec<G1>, DeviceError> {
    let buffers: Result<Vec<_>, _> = columns.iter().map(|column| Buffer::from_slice(device, column)).collect();
    bases.msm_many(&buffers?.iter().collect::<Vec<_>>())
}

/// Compares all columns at once. Does not print points.
fn check(orders: usize, points: &Points, plan: Option<Precomputed>, columns: &[Vec<Fr>], what: &str) {
    for device in &devices(orders) {
        let bases = Bases::new(device, &points.points, plan).unwrap();
        assert_eq!(bases.len(), points.points.len());
        for (i, (sum, column)) in sums(&bases, device, columns).unwrap().iter().zip(columns).enumerate() {
            assert!(*sum == points.sum(column), "{what}: column {i} of {}, {bases:?}", column.len());
        }
    }
}

const fn plan(window: u32, levels: u32) -> Option<Precomputed> {
    Some(Precomputed { window, levels })
}

#[test]
fn every_kind_at_every_size() {
    let mut rng = StdRng::seed_from_u64(1);
    let points = Points::walk(1000, &mut rng);
    for n in [0, 1, 2, 3, 31, 32, 33, 255, 256, 257, 1000] {
        let columns = columns(n, &mut rng);
        for plan in [None, plan(7, 1)] {
            check(1, &points, plan, &columns, "sizes");
        }
    }
    let columns = columns(1000, &mut rng);
    for column in &columns {
        assert!(points.sum(column) == best_multiexp(column, &points.points), "the definition");
    }
}

#[test]
fn every_plan() {
    let mut rng = StdRng::seed_from_u64(2);
    let points = Points::walk(70, &mut rng);
    let columns = columns(70, &mut rng);
    for window in [2, 3, 4, 5, 8, 9, 10, 11, 13] {
        for levels in [1, 2, 5, u32::MAX] {
            check(1, &points, plan(window, levels), &columns, "plans");
        }
    }
    // As many buckets of a set as there can be, and more tiles of the scan than threads of a block.
    for (window, levels) in [(16, 16), (17, 8), (17, 15)] {
        check(1, &points, plan(window, levels), &columns[1..7], "large windows");
    }
}

/// Lengths from nothing to all, twice as many columns as kinds, threads in other orders.
#[test]
fn batches_in_every_order() {
    let mut rng = StdRng::seed_from_u64(3);
    let points = Points::walk(900, &mut rng);
    let columns: Vec<Vec<Fr>> = [900, 0, 300, 1, 899, 257, 64]
        .iter()
        .enumerate()
        .flat_map(|(i, n)| columns(*n, &mut rng).into_iter().skip(i).step_by(3))
        .collect();
    for plan in [None, plan(6, 4), plan(12, 11)] {
        check(usize::MAX, &points, plan, &columns, "orders");
    }
    check(1, &points, None, &[], "no column");
    check(1, &Points::of_logs(Vec::new()), None, &[Vec::new()], "no bases");
}

#[test]
fn odd_bases() {
    let mut rng = StdRng::seed_from_u64(4);
    let [p, q] = [(); 2].map(|()| Fr::random(&mut rng));
    let n = 300_u64;
    type Log<'a> = &'a dyn Fn(u64) -> Fr;
    let sets: [(&str, Log<'_>); 6] = [
        ("all equal", &|_| p),
        ("all the identity", &|_| Fr::ZERO),
        ("point and opposite", &|i| if i % 2 == 0 { p } else { -p }),
        ("some the identity", &|i| [Fr::ZERO, p, q, -p][i as usize % 4]),
        ("multiples", &|i| p * Fr::from(i)),
        ("halves", &|i| p * Fr::from(2).pow([i % 40]) - Fr::from(i % 2) * p),
    ];
    let columns = columns(n as usize, &mut rng);
    for (name, log) in sets {
        let points = Points::of_logs((0..n).map(log).collect());
        for plan in [None, plan(4, 3)] {
            check(1, &points, plan, &columns, name);
        }
    }
}

/// Segments longer than the shortest, buckets of thousands of partial sums, more bases than are prepared in one launch.
#[test]
fn many_rows() {
    let mut rng = StdRng::seed_from_u64(5);
    let n = 66_000;
    let points = Points::walk(n, &mut rng);
    let full = (0..n).map(|_| Fr::random(&mut rng)).collect();
    let mut small: Vec<Fr> = (0..n).map(|_| Fr::from(rng.gen_range(0..3_u64))).collect();
    small[n - 6..].fill_with(|| Fr::random(&mut rng));
    check(1, &points, plan(16, 2), &[full, small, vec![-Fr::ONE; n]], "rows");
}

/// What can be seen in an emulator only.
#[cfg(feature = "emulator")]
mod emulated {
    use super::*;
    use inferproof_cuda::{Address, Argument, Emulator, Launch};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// An emulator that records what is asked of it, and fails when its calls are used up.
    struct Watched {
        emulator: Emulator,
        calls: AtomicUsize,
        most: AtomicUsize,
        launches: Mutex<Vec<&'static str>>,
    }

    impl Watched {
        fn new(emulator: Emulator, calls: usize) -> Arc<Self> {
            Arc::new(Self { emulator, calls: calls.into(), most: AtomicUsize::default(), launches: Mutex::default() })
        }

        fn call(&self) -> Result<(), DeviceError> {
            let left = self.calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |calls| calls.checked_sub(1));
            left.map(drop).map_err(|_| DeviceError::Failed { what: "a test", reason: "no more calls".into() })
        }

        fn count(&self, kernel: &str) -> usize {
            self.launches.lock().unwrap().iter().filter(|launched| **launched == kernel).count()
        }
    }

    // SAFETY: an emulator's, but for calls that do nothing and return an error.
    unsafe impl Device for Watched {
        fn name(&self) -> &str {
            self.emulator.name()
        }
        fn memory(&self) -> Result<[usize; 2], DeviceError> {
            self.call()?;
            self.emulator.memory()
        }
        fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
            self.call()?;
            let address = self.emulator.allocate(bytes)?;
            self.most.fetch_max(self.emulator.used(), Ordering::Relaxed);
            Ok(address)
        }
        unsafe fn free(&self, address: Address, bytes: usize) {
            // SAFETY: by this method's own contract.
            unsafe { self.emulator.free(address, bytes) };
        }
        unsafe fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), DeviceError> {
            self.call()?;
            // SAFETY: by this method's own contract.
            unsafe { self.emulator.upload(to, bytes) }
        }
        unsafe fn download(&self, from: Address, bytes: &mut [u8]) -> Result<(), DeviceError> {
            self.call()?;
            // SAFETY: by this method's own contract.
            unsafe { self.emulator.download(from, bytes) }
        }
        unsafe fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
            self.call()?;
            // SAFETY: by this method's own contract.
            unsafe { self.emulator.copy(from, to, bytes) }
        }
        unsafe fn clear(&self, at: Address, bytes: usize) -> Result<(), DeviceError> {
            self.call()?;
            // SAFETY: by this method's own contract.
            unsafe { self.emulator.clear(at, bytes) }
        }
        unsafe fn launch(
            &self,
            kernel: &'static str,
            launch: Launch,
            arguments: &[Argument],
        ) -> Result<(), DeviceError> {
            self.call()?;
            self.launches.lock().unwrap().push(kernel);
            // SAFETY: by this method's own contract.
            unsafe { self.emulator.launch(kernel, launch, arguments) }
        }
        fn synchronise(&self) -> Result<(), DeviceError> {
            self.emulator.synchronise()
        }
    }

    /// Scratch memory is bounded, by batches of columns and by pieces of columns; otherwise a batch is one set of launches.
    #[test]
    fn scratch_is_bounded() {
        let mut rng = StdRng::seed_from_u64(6);
        let points = Points::walk(1000, &mut rng);
        let mut columns = columns(1000, &mut rng);
        columns.truncate(7);
        columns[2].truncate(400);
        for (plan, budget, batches) in [
            (plan(8, 32), 1 << 20, Some(4..8)),
            (plan(4, 64), 1 << 16, Some(20..300)),
            (plan(4, 9), 1 << 16, Some(20..300)),
            (plan(8, 32), 64 << 20, Some(1..2)),
            // Less than the buckets of one column need.
            (plan(12, 22), 0, None),
        ] {
            let watched = Watched::new(Emulator::new(0), usize::MAX);
            let device: Arc<dyn Device> = watched.clone();
            let bases = Bases::new(&device, &points.points, plan).unwrap().with_scratch(budget);
            let buffers: Vec<_> = columns.iter().map(|column| Buffer::from_slice(&device, column).unwrap()).collect();
            let before = watched.emulator.used();
            watched.most.store(0, Ordering::Relaxed);
            let sums = bases.msm_many(&buffers.iter().collect::<Vec<_>>()).unwrap();
            assert!(sums.iter().zip(&columns).all(|(sum, column)| *sum == points.sum(column)), "{budget}");
            assert_eq!(watched.emulator.used(), before);
            let (counted, used) = (watched.count("msm_count"), watched.most.load(Ordering::Relaxed) - before);
            if let Some(batches) = batches {
                assert!(batches.contains(&counted), "{counted} batches of {budget} bytes");
                assert!(used <= budget, "{used} bytes of {budget}");
                assert!(used > budget / 8 || counted == 1, "{used} bytes of {budget} are too few");
            }
        }
    }

    /// Whichever call fails, the error comes out and all memory is given back.
    #[test]
    fn errors_come_out() {
        let mut rng = StdRng::seed_from_u64(7);
        let points = Points::walk(20, &mut rng);
        let columns = columns(20, &mut rng);
        let run = |emulator: Emulator, calls: usize| {
            let watched = Watched::new(emulator, calls);
            let device: Arc<dyn Device> = watched.clone();
            let sums =
                Bases::new(&device, &points.points, plan(5, 20)).and_then(|bases| sums(&bases, &device, &columns));
            assert_eq!(watched.emulator.used(), 0);
            sums
        };
        let mut calls = 0;
        while let Err(error) = run(Emulator::new(0), calls) {
            assert!(matches!(error, DeviceError::Failed { what: "a test", .. }));
            calls += 1;
        }
        assert!(calls > 40, "of {calls} calls each has failed once");

        let mut refused = 0;
        for limit in (0..).step_by(5000) {
            match run(Emulator::with_memory(0, limit), usize::MAX) {
                Ok(sums) => {
                    assert!(sums.iter().zip(&columns).all(|(sum, column)| *sum == points.sum(column)));
                    break;
                }
                Err(error) => assert!(matches!(error, DeviceError::OutOfMemory { .. })),
            }
            refused += 1;
        }
        assert!(refused > 10, "{refused} limits were too low");
    }

    /// Buffers may hold anything: what is no scalar has no more digits than one.
    #[test]
    fn scalars_that_are_not_reduced() {
        let points = Points::walk(40, &mut StdRng::seed_from_u64(8));
        // What memory holds at first, in Montgomery form.
        let integer = (0..32).fold(Fr::ZERO, |value, _| value * Fr::from(256) + Fr::from(0xa5));
        let value = integer * Fr::from(2).pow([256]).invert().unwrap();
        for plan in [None, plan(2, 127), plan(5, 20), plan(13, 20), plan(16, 3)] {
            for device in &devices(1) {
                let bases = Bases::new(device, &points.points, plan).unwrap();
                let anything = Buffer::new(device, 40).unwrap();
                let sums = bases.msm_many(&[&anything]).unwrap();
                // What a device holds is not known.
                assert!(device.name() != "emulator" || sums[0] == points.sum(&[value; 40]), "{bases:?}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "4 scalars for 3 bases")]
    fn more_scalars_than_bases() {
        let device: Arc<dyn Device> = Arc::new(Emulator::new(0));
        let points = Points::of_logs(vec![Fr::ONE; 3]);
        let bases = Bases::new(&device, &points.points, None).unwrap();
        drop(sums(&bases, &device, &[vec![Fr::ONE; 4]]));
    }
}
