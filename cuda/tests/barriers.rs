//! Without its barriers a kernel is wrong, in one order of threads or another: what the emulator is for.
//!
//! Only kernels whose addresses depend on no shared memory are run like this. A build with `CXXFLAGS=-DWITHOUT_BARRIERS` is for all, in a process that may end.
#![cfg(feature = "emulator")]

use ff::PrimeField;
use halo2_proofs::halo2curves::bn256::Fr;
use inferproof_cuda::{Buffer, Device, Domain, Emulator, columns};
use std::sync::Arc;

const SEEDS: [u64; 5] = [0, 1, 2, 3, 7];
const K: u32 = 8;

/// Whether some order of threads gives another result once barriers do nothing; with them none does.
fn needs_barriers(what: &str, run: impl Fn(&Arc<dyn Device>) -> Vec<Fr>) {
    let on = |emulator: Emulator| run(&(Arc::new(emulator) as Arc<dyn Device>));
    let expected = on(Emulator::new(0));
    assert!(SEEDS.iter().all(|seed| on(Emulator::new(*seed)) == expected), "{what}: the order of threads matters");
    // SAFETY: transforms and operations on columns, which is what runs below.
    let without = |seed: u64| on(unsafe { Emulator::without_barriers(seed) });
    assert!(SEEDS.iter().any(|seed| without(*seed) != expected), "{what}: no barrier is needed");
}

/// A seed does not take them out: that is unsafe.
#[test]
fn seeds_leave_barriers() {
    let values: Vec<Fr> = (0..5 << K).map(|i| Fr::from(i * i + 3)).collect();
    let product = |emulator: Emulator| {
        let mut a = Buffer::from_slice(&(Arc::new(emulator) as Arc<dyn Device>), &values).unwrap();
        columns::prefix_product(&mut a).unwrap();
        a.to_vec().unwrap()
    };
    let expected = product(Emulator::new(0));
    assert!(SEEDS.iter().all(|seed| product(Emulator::new(seed | 1 << 63)) == expected));
}

#[test]
fn kernels_need_their_barriers() {
    let values: Vec<Fr> = (0..5 << K).map(|i| Fr::from(i * i + 3)).collect();
    let column = |device: &Arc<dyn Device>, n: usize| Buffer::from_slice(device, &values[..n]).unwrap();
    let omega = (K..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
    needs_barriers("a transform", |device| {
        let (domain, mut a) = (Domain::new(device, K, omega).unwrap(), column(device, 1 << K));
        domain.evaluate(&mut [&mut a]).unwrap();
        a.to_vec().unwrap()
    });
    needs_barriers("a running product", |device| {
        let mut a = column(device, values.len());
        columns::prefix_product(&mut a).unwrap();
        a.to_vec().unwrap()
    });
    needs_barriers("a running sum", |device| {
        let mut a = column(device, values.len());
        columns::prefix_sum(&mut a).unwrap();
        a.to_vec().unwrap()
    });
    needs_barriers("an inversion", |device| {
        let mut a = column(device, values.len());
        columns::batch_invert(&mut a).unwrap();
        a.to_vec().unwrap()
    });
    needs_barriers("a division", |device| {
        columns::divide(&column(device, values.len()), Fr::from(9)).unwrap().to_vec().unwrap()
    });
    needs_barriers("values", |device| columns::evaluate(&[(&column(device, values.len()), Fr::from(9))]).unwrap());
}
