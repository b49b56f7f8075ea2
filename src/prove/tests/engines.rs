//! Every engine makes the same proof, and halo2's own prover another one of the same statement.

use super::stock::random_fixtures;
use super::*;
use crate::engine::{Engine, ReferenceEngine, devices};
use inferproof_circuits::integer::to_field;
use inferproof_circuits::machine::Challenges;
use inferproof_circuits::network::Trace;
use inferproof_circuits::program::Row;
use inferproof_circuits::witness::phase_one;
use inferproof_cuda::columns::{Lookup, Lookups, lookup_sum};
use inferproof_cuda::{Buffer, Device, Emulator};
use std::sync::Arc;

/// The circuit of an honest execution, and what it claims.
fn honest<'a>(
    fixture: &'a Fixture,
    trace: &Trace,
    phase0: &'a inferproof_circuits::witness::PhaseZero,
    claim: &'a Claim,
) -> MachineCircuit<'a> {
    assert_eq!(trace.values[0], fixture.input);
    let witness = PhaseOneInput { phase0, lanes: &fixture.prover.lanes, instance: &claim.instance };
    MachineCircuit::new(&fixture.prover.backend.program, Some(witness))
}

fn proof_on<E: Engine>(engine: E, fixture: &Fixture, seed: u64) -> Proof {
    let prover = &fixture.prover;
    let program = &prover.backend.program;
    let backend = Backend::new(engine, program.k, development_srs(), || Ok(program.clone())).unwrap();
    let trace = prover.run(&fixture.input).unwrap();
    let model = &prover.key.model;
    let phase0 = phase_zero(&backend.program, &model.architecture, &model.weights, &trace, None).unwrap();
    let output = trace.values.last().unwrap();
    let statement = Statement {
        model_id: prover.key.verifying.model_id(),
        context: CONTEXT,
        input: backend.program.input.encode(&fixture.input),
        output: backend.program.output.encode(output),
    };
    let claim = Claim { statement, instance: instance(&backend.program, &fixture.input, output), linked: None };
    let circuit = honest(fixture, &trace, &phase0, &claim);
    let tail = [Secret(Fr::from(5)), Secret(Fr::from(6))];
    backend.blinded(prover.registered(), circuit, &claim, &tail, StdRng::seed_from_u64(seed), UNWATCHED).unwrap()
}

#[test]
fn engines_make_the_same_proof() {
    let fixture = limbed();
    let fast = proof_on(CpuEngine::default(), &fixture, 3);
    assert!(fixture.verifies(&fast));
    assert_eq!(fast.bytes, proof_on(ReferenceEngine, &fixture, 3).bytes);
    assert_eq!(fast.bytes, proof_on(CpuEngine { keep_cosets: true, ..CpuEngine::default() }, &fixture, 3).bytes);
    assert_ne!(fast.bytes, proof_on(CpuEngine::default(), &fixture, 4).bytes);
    for engine in devices(&[0, 3]) {
        assert_eq!(fast.bytes, proof_on(engine, &fixture, 3).bytes);
    }
}

/// Programs that halo2's own prover cannot prove, by the definition of what is proved; halo2's verifier takes the proofs. One of them on a device too.
#[test]
fn engines_prove_two_activations_a_row() {
    let small = |fixture: &Fixture| fixture.prover.backend.program.k <= 9;
    for fixture in [paired(), paired_maxima()].into_iter().chain(random_fixtures(Shape::Paired, 10).filter(small)) {
        let fast = proof_on(CpuEngine::default(), &fixture, 3);
        assert!(fixture.verifies(&fast));
        assert_eq!(fast.bytes, proof_on(ReferenceEngine, &fixture, 3).bytes);
        assert_eq!(fast.bytes, proof_on(CpuEngine { keep_cosets: true, ..CpuEngine::default() }, &fixture, 3).bytes);
    }
    let fixture = paired();
    let fast = proof_on(CpuEngine::default(), &fixture, 3);
    for engine in devices(&[3]) {
        assert_eq!(fast.bytes, proof_on(engine, &fixture, 3).bytes);
    }
}

/// Apart from the others, which run on machines where the library that stands in for ICICLE is not.
#[cfg(unix)]
#[test]
fn icicle_makes_the_same_proof() {
    let fixture = limbed();
    let folder = inferproof_cuda::icicle::FAKES[0].as_ref();
    let icicle = crate::engine::IcicleEngine::open(folder, "FAKE", 0).unwrap();
    assert_eq!(proof_on(icicle, &fixture, 3).bytes, proof_on(CpuEngine::default(), &fixture, 3).bytes);
}

/// The running sum of the lookups as a device computes it is the witness's.
#[test]
fn a_device_sums_the_lookups_of_a_witness() {
    let fixture = limbed();
    let prover = &fixture.prover;
    let program = &prover.backend.program;
    let trace = prover.run(&fixture.input).unwrap();
    let model = &prover.key.model;
    let phase0 = phase_zero(program, &model.architecture, &model.weights, &trace, None).unwrap();
    let instance = instance(program, &fixture.input, trace.values.last().unwrap());
    let [channel, position, alpha, beta] = [(); 4].map({
        let mut rng = StdRng::seed_from_u64(1);
        move |()| Fr::random(&mut rng)
    });
    let challenges = Challenges { channel, position, alpha, beta };
    let phi = phase_one(program, &phase0, &prover.lanes, &challenges, &instance).unwrap().phi;

    let rows = program.active_rows();
    let device: Arc<dyn Device> = Arc::new(Emulator::new(3));
    let column =
        |cell: &dyn Fn(usize) -> Fr| Buffer::from_slice(&device, &(0..rows).map(cell).collect::<Vec<_>>()).unwrap();
    let tags = |tag: &dyn Fn(&Row) -> Fr| column(&|row| tag(&program.rows.get(row).cloned().unwrap_or_default()));
    let entry = |row: usize| program.table.rows().get(row).copied().unwrap_or_default();
    let [r, q, m] = [&phase0.r, &phase0.q, &phase0.m].map(|cells| column(&|row| Fr::from(cells[row])));
    let y = column(&|row| to_field(phase0.y[row]));
    let (kappa, tag) = (tags(&|row| Fr::from(row.kappa)), tags(&|row| Fr::from(row.tag)));
    let t_tag = column(&|row| Fr::from(entry(row).0));
    let [t_in, t_out] = [column(&|row| to_field(entry(row).1)), column(&|row| to_field(entry(row).2))];
    let lookups = [Lookup { tag: &kappa, input: &r, output: None }, Lookup { tag: &tag, input: &q, output: Some(&y) }];
    let table = Lookup { tag: &t_tag, input: &t_in, output: Some(&t_out) };
    let lookups = Lookups { lookups: &lookups, table, multiplicities: &m, alpha, beta };
    assert_eq!(lookup_sum(&lookups, rows).unwrap().unwrap().to_vec().unwrap(), phi);
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let fixture = secret();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| proof_on(CpuEngine::default(), &fixture, 3).bytes)
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn a_proof_is_watched_and_may_be_ended() {
    use std::ops::ControlFlow;
    use std::sync::Mutex;
    let fixture = secret();
    let prove = |last: Option<Step>| {
        let seen = Mutex::new(vec![]);
        let observer = |step| {
            seen.lock().unwrap().push(step);
            if Some(step) == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let rng = StdRng::seed_from_u64(1);
        let proved = fixture.prover.prove_observed(Source::Values(&fixture.input), None, CONTEXT, rng, &observer);
        (proved, seen.into_inner().unwrap())
    };
    let (proved, steps) = prove(None);
    assert!(fixture.verifies(&proved.unwrap().proof));
    assert_eq!((steps.first(), steps.last(), steps.len()), (Some(&Step::Witness), Some(&Step::Verify), 8));
    assert!(steps.is_sorted());
    for (index, step) in steps.iter().enumerate() {
        let (ended, seen) = prove(Some(*step));
        assert!(matches!(ended, Err(ProveError::Cancelled)));
        assert_eq!(seen, steps[..=index]);
    }
}
