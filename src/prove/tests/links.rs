//! Committed and private tensors: what a statement says of them, and that nobody can make it say otherwise.

use super::support::development_srs;
use super::*;
use crate::commitment::{TensorError, commit, commit_polynomial, statement_point};
use crate::transcript::Recorded;
use crate::verify::{committed_tensor, link, weights};
use group::Curve;
use halo2_proofs::transcript::TranscriptRead;
use inferproof_circuits::integer::{Interval, to_field};
use inferproof_circuits::machine::LINK_ROW;
use inferproof_circuits::witness::{ChallengeValues, PhaseOne};

const INPUTS: [Visibility; 3] = [Visibility::Public, Visibility::Committed, Visibility::Private];
const OUTPUTS: [Visibility; 4] = [Visibility::Public, Visibility::Committed, Visibility::Private, Visibility::Given];

fn fixture(interface: Interface, visibility: WeightVisibility) -> Fixture {
    Fixture::new(small_cnn(1), &SetupOptions { interface, visibility, ..SetupOptions::default() })
}

#[test]
fn every_interface_proves() {
    for visibility in [WeightVisibility::Secret, WeightVisibility::Public] {
        let mut programs = std::collections::HashSet::new();
        for (input, output) in INPUTS.iter().flat_map(|input| OUTPUTS.iter().map(move |output| (*input, *output))) {
            let interface = Interface { input, output };
            let fixture = fixture(interface, visibility);
            programs.insert(fixture.prover.key.verifying.program_id());
            let Proved { proof, openings } = fixture.proved(3);
            fixture.verify(&proof).unwrap();
            let secret = visibility == WeightVisibility::Secret;
            use inferproof_circuits::machine::proof_bytes;
            assert_eq!(proof.bytes.len(), proof_bytes(fixture.prover.key.verifying.shape, secret, interface));
            let key = &fixture.prover.key.verifying;
            for (end, bytes) in [(End::Input, &proof.statement.input), (End::Output, &proof.statement.output)] {
                assert_eq!(bytes.len(), key.io.statement_bytes(end));
                let committed = committed_tensor(key, &proof.statement, end);
                assert_eq!(committed.is_some(), interface.of(end).is_committed());
                assert_eq!(committed.as_ref(), openings.of(end).map(TensorOpening::commitment));
            }
            let plain = fixture.prover.prove(&fixture.input, CONTEXT, StdRng::seed_from_u64(1));
            assert_eq!(matches!(plain, Err(ProveError::Committed)), interface.is_linked());
        }
        assert_eq!(programs.len(), 12, "what is seen is part of the relation");
    }
}

/// A private tensor is in no byte of the statement, and a statement that shows one is refused.
#[test]
fn private_tensors_are_not_shown() {
    let interface = Interface { input: Visibility::Private, output: Visibility::Private };
    let fixture = fixture(interface, WeightVisibility::Secret);
    let proof = fixture.proof(3);
    assert!(proof.statement.input.is_empty() && proof.statement.output.is_empty());
    for bytes in [vec![0], vec![0; 25]] {
        let mut bad = proof.clone();
        bad.statement.input = bytes;
        assert!(matches!(fixture.verify(&bad), Err(VerifyError::Tensor { tensor: "input", expected: 0, .. })));
    }
}

/// Any number of proofs speak of one commitment; its owner need not be there.
#[test]
fn proofs_speak_of_the_commitment_given() {
    let fixture = linked();
    let opening = fixture.proved(1).openings.input.unwrap();
    let source = Source::Opening(&opening);
    let [one, two] =
        [2, 3].map(|seed| fixture.prover.prove_committed(source, None, CONTEXT, StdRng::seed_from_u64(seed)).unwrap());
    for proved in [&one, &two] {
        fixture.verify(&proved.proof).unwrap();
        assert_eq!(proved.proof.statement.input, opening.commitment().bytes());
    }
    assert_ne!(one.proof.statement.output, two.proof.statement.output, "outputs are committed to afresh");
    // Nothing else of the proofs is the same: masks, columns, evaluations, openings.
    let words = |proof: &Proof| proof.bytes[4..].chunks(32).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let mut all = [words(&one.proof), words(&two.proof)].concat();
    // The fixed columns of one program have commitments of their own, but no proof holds those.
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

/// A given output: proofs of it made before, any number of them, and none of another.
#[test]
fn outputs_are_given() {
    let interface = Interface { input: Visibility::Committed, output: Visibility::Given };
    let fixture = fixture(interface, WeightVisibility::Secret);
    let mut rng = StdRng::seed_from_u64(8);
    let given = fixture.prover.commit_output(&fixture.input, &mut rng).unwrap();
    let prove = |given: &TensorOpening, seed| {
        let rng = StdRng::seed_from_u64(seed);
        fixture.prover.prove_committed(Source::Values(&fixture.input), Some(given), CONTEXT, rng)
    };
    let [one, two] = [1, 2].map(|seed| prove(&given, seed).unwrap());
    for proved in [&one, &two] {
        fixture.verify(&proved.proof).unwrap();
        assert_eq!(proved.proof.statement.output, given.commitment().bytes());
    }
    assert_ne!(one.proof.bytes[4..68], two.proof.bytes[4..68], "a fresh mask in every proof");
    let mut values = given.values().to_vec();
    values[0] += if values[0] == 39 { -1 } else { 1 };
    let other = fixture.prover.commit(End::Output, &values, &[], &mut rng).unwrap();
    assert!(matches!(prove(&other, 1), Err(ProveError::OtherOutput)));
    let input = fixture.prover.commit(End::Input, &fixture.input, &[], &mut rng).unwrap();
    assert!(matches!(prove(&input, 1), Err(ProveError::OtherTensor { tensor: "output", .. })));
    // An output that is committed to afresh is never a given one: its blinding cells hide one proof's value.
    let fresh = linked();
    let proved = fresh.prover.prove_committed(Source::Values(&fresh.input), Some(&given), CONTEXT, &mut rng);
    assert!(matches!(proved, Err(ProveError::NotCommitted { tensor: "output" })));
    assert!(fresh.prover.commit_output(&fresh.input, &mut rng).is_err());
}

/// Openings of another tensor or SRS, and openings for what is not committed.
#[test]
fn other_openings_are_refused() {
    let fixture = linked();
    let io = fixture.prover.key.verifying.io.clone();
    let srs = development_srs();
    let commit = |spec: crate::tensor::TensorSpec, values: &[i64]| {
        TensorOpening::commit(spec, values, srs, StdRng::seed_from_u64(1)).unwrap()
    };
    let spec = |shape: &[usize], hi, scale| {
        crate::tensor::TensorSpec::new(shape.to_vec(), Interval::new(0, hi), scale).unwrap()
    };
    let prove = |opening: &TensorOpening| {
        fixture.prover.prove_committed(Source::Opening(opening), None, CONTEXT, StdRng::seed_from_u64(1))
    };
    assert!(prove(&commit(io.input.clone(), &fixture.input)).is_ok());
    for other in [spec(&[25], 15, 10.0), spec(&[1, 5, 5], 16, 10.0), spec(&[1, 5, 5], 15, 9.5)] {
        let error = prove(&commit(other, &fixture.input)).unwrap_err();
        assert!(matches!(error, ProveError::OtherTensor { .. }), "{error}");
    }
    let error = prove(&commit(spec(&[1, 5, 4], 15, 10.0), &fixture.input[..20])).unwrap_err();
    assert!(matches!(error, ProveError::OtherTensor { .. }), "another length: {error}");
    let other = Srs::development(11, StdRng::seed_from_u64(2)).unwrap();
    let foreign = TensorOpening::commit(io.input.clone(), &fixture.input, &other, StdRng::seed_from_u64(1)).unwrap();
    assert!(matches!(prove(&foreign), Err(ProveError::Tensor(TensorError::OtherSrs { .. }))));
    let public = secret();
    let opening = commit(io.input, &fixture.input);
    let error = public.prover.prove_committed(Source::Opening(&opening), None, CONTEXT, StdRng::seed_from_u64(1));
    assert!(matches!(error, Err(ProveError::NotCommitted { tensor: "input" })));
}

/// `value R^lane` on a row of `omega`, beside what is there.
#[derive(Clone, Copy)]
pub(super) struct Extra {
    row: usize,
    value: i64,
    lane: usize,
}

/// A prover who may do as he likes between the pieces of a proof.
pub(super) struct Forger<'a> {
    pub(super) fixture: &'a Fixture,
    /// What the circuit computes on.
    trace: Trace,
    openings: Openings,
    pub(super) mask: Option<[Secret; 2]>,
}

impl<'a> Forger<'a> {
    pub(super) fn new(fixture: &'a Fixture) -> Self {
        let trace = fixture.prover.run(&fixture.input).unwrap();
        let openings = fixture.openings(&trace);
        let mut rng = StdRng::seed_from_u64(9);
        let mask = [(); 2].map(|()| Secret(Fr::random(&mut rng)));
        Self { fixture, trace, openings, mask: fixture.prover.backend.program.interface.is_masked().then_some(mask) }
    }

    pub(super) fn statement(&self) -> Statement {
        let program = &self.fixture.prover.backend.program;
        let bytes = |end, values: &[i64]| match self.openings.of(end) {
            Some(opening) => opening.commitment().bytes().to_vec(),
            None => program.packing(end).encode(values),
        };
        Statement {
            model_id: self.fixture.prover.key.verifying.model_id(),
            context: CONTEXT,
            input: bytes(End::Input, &self.fixture.input),
            output: bytes(End::Output, self.trace.values.last().unwrap()),
        }
    }

    /// The polynomials of the honest link.
    fn polynomials(&self) -> Vec<Zeroizing<Vec<Secret>>> {
        let interface = self.fixture.prover.backend.program.interface;
        let mut polynomials = vec![Zeroizing::default(); interface.polynomials()];
        for end in interface.committed() {
            polynomials[interface.number(end)] = self.openings.of(end).unwrap().polynomial();
        }
        if let Some(mask) = &self.mask {
            polynomials[0] = tensor_polynomial(mask, &[]);
        }
        polynomials
    }

    /// The honest link with `add` added to a coefficient of the input's polynomial.
    pub(super) fn link(&self, power: usize, add: i64) -> Link {
        let mut polynomials = self.polynomials();
        let length = polynomials[1].len().max(power);
        polynomials[1].resize(length, Secret::default());
        if power > 0 {
            polynomials[1][power - 1].0 += to_field(add);
        }
        Link::new(polynomials)
    }

    /// The statement with a multiple of a point added to the input's commitment.
    fn shifted(&self, point: G1Affine, add: i64) -> Statement {
        let mut statement = self.statement();
        let own = G1::from(statement_point(&statement.input).unwrap());
        statement.input = encode_g1(&(own + point * to_field(add)).to_affine()).to_vec();
        statement
    }

    /// A proof whose circuit has `inside` for its link, whose opening is that of `outside`, and whose statement is `statement`.
    pub(super) fn prove(&self, statement: Statement, inside: Link, outside: Link, extra: Option<Extra>) -> Proof {
        let prover = &self.fixture.prover;
        let Model { architecture, weights, .. } = &prover.key.model;
        let phase0 = phase_zero(&prover.backend.program, architecture, weights, &self.trace, Some(inside)).unwrap();
        let instance = instance(&prover.backend.program, &self.fixture.input, self.trace.values.last().unwrap());
        let mask = self.mask.map(|mask| commit_polynomial(&prover.backend.powers, &mask).unwrap());
        let claim = Claim { statement, instance, linked: Some(Linked { mask, link: outside }) };
        let witness = PhaseOneInput { phase0: &phase0, lanes: &prover.lanes, instance: &claim.instance };
        let add = |w: &mut PhaseOne, challenges: &ChallengeValues| {
            if let Some(Extra { row, value, lane }) = extra {
                w.omega[row] += to_field(value) * challenges.channel.pow_vartime([lane as u64]);
            }
        };
        let circuit = MachineCircuit::new(&prover.backend.program, Some(witness)).tampered(&add);
        let mut rng = StdRng::seed_from_u64(4);
        let tail = [(); 2].map(|()| Secret(Fr::random(&mut rng)));
        prover.backend.blinded(prover.registered(), circuit, &claim, &tail, rng, UNWATCHED).unwrap()
    }
}

/// The circuit runs on `x`; the commitment in the statement is one to `x'`. The three places where a prover can put the difference.
#[test]
fn no_proof_of_another_tensor() {
    for fixture in [linked(), masked(), given()] {
        let forger = Forger::new(&fixture);
        let honest = forger.link(0, 0);
        let proof = forger.prove(forger.statement(), honest.clone(), honest.clone(), None);
        fixture.verify(&proof).unwrap();
        assert_eq!(passed(&fixture, &proof), [true, true]);
        // The blinding cells, an element.
        for power in [1, 2, 3, 9] {
            let statement = forger.shifted(fixture.prover.backend.powers[power], 1);
            let other = forger.link(power, 1);
            let forge =
                |inside: &Link, outside: &Link| forger.prove(statement.clone(), inside.clone(), outside.clone(), None);
            let prove = |inside: &Link, outside: &Link| fixture.verify(&forge(inside, outside)).unwrap_err();
            // In the circuit: its equality of elements and link. Its blinding cells may be any, for it is the commitment that fixes them.
            if power > 2 {
                let error = prove(&other, &other);
                assert!(matches!(error, VerifyError::Invalid("the circuit's equations")), "{error}");
            }
            // Between the circuit and the opening: the equation of `omega`.
            let error = prove(&honest, &other);
            assert!(matches!(error, VerifyError::Invalid("the weights are not the registered ones")), "{error}");
            assert_eq!(passed(&fixture, &forge(&honest, &other)), [true, false], "accepted but for this check");
            // Between the opening and the commitment: the pairing.
            let error = prove(&honest, &honest);
            assert!(matches!(error, VerifyError::Invalid("the committed tensors are not the circuit's")), "{error}");
            assert_eq!(passed(&fixture, &forge(&honest, &honest)), [false, true], "accepted but for this check");
        }
    }
}

/// Which of the verifier's two checks beside halo2's, which holds, a proof passes: that of the link, that of the weights. Each by itself, as if there were no other.
fn passed(fixture: &Fixture, proof: &Proof) -> [bool; 2] {
    let key = &fixture.prover.key.verifying;
    let interface = key.io.interface;
    let mut points = vec![G1Affine::default(); interface.polynomials()];
    for (end, bytes) in [(End::Input, &proof.statement.input), (End::Output, &proof.statement.output)] {
        if interface.of(end).is_committed() {
            points[interface.number(end)] = statement_point(bytes).unwrap();
        }
    }
    points[0] = statement_point(&proof.bytes[4..68]).unwrap();
    let holds = link(key, &fixture.srs, points, &mut fixture.replayed(proof)).is_ok();
    // What the proof says that the link adds, believed.
    let mut transcript = fixture.replayed(proof);
    let value = transcript.read_scalar().unwrap();
    transcript.read_point().unwrap();
    let place = transcript.challenge(0).unwrap().pow_vartime([key.lanes as u64]);
    let linked = fixture.srs.link(key.k).unwrap() * (place * value);
    [holds, weights(key, &fixture.srs, linked, &mut transcript).is_ok()]
}

/// A commitment with coefficients that no element has: the constant one, and those after the last element. Its owner can open it, and yet no proof
/// speaks of it.
#[test]
fn commitments_of_other_polynomials_have_no_proof() {
    for fixture in [linked(), masked()] {
        let forger = Forger::new(&fixture);
        for power in [0, fixture.input.len() + 3, 100] {
            let statement = forger.shifted(fixture.prover.backend.powers[power], 3);
            let proof = forger.prove(statement, forger.link(0, 0), forger.link(power, 3), None);
            assert!(!fixture.verifies(&proof), "power {power}");
        }
    }
}

/// A commitment that holds a weight row's Lagrange polynomial, for a prover who exchanges the weight there: the tensor's point enters no sum with the
/// lanes, whatever power of `R` it has in the link.
#[test]
fn a_tensor_cannot_carry_weights() {
    let fixture = linked();
    let forger = Forger::new(&fixture);
    let honest = forger.link(0, 0);
    let program = &fixture.prover.backend.program;
    let weights = program.rows.iter().position(|r| r.slot.is_some()).unwrap();
    let lagrange = development_srs().lagrange(program.k).unwrap();
    for point in [lagrange[weights], lagrange[LINK_ROW]] {
        for row in [weights, LINK_ROW] {
            // The power of `R` that the input has in the link, alone and on the link row.
            for lane in [0, 1, program.layout.lanes, program.layout.lanes + 1] {
                let extra = Some(Extra { row, value: 1, lane });
                let proof = forger.prove(forger.shifted(point, 1), honest.clone(), honest.clone(), extra);
                assert!(!fixture.verifies(&proof), "row {row}, lane {lane}");
            }
        }
    }
}

/// A registrant with a cell of his own on the link row, in each lane: it moves no element, since no proof exists any more.
#[test]
fn no_lane_moves_a_tensor() {
    let mut fixture = linked();
    let lagrange = development_srs().lagrange(fixture.prover.backend.program.k).unwrap();
    let lanes = fixture.prover.backend.program.layout.lanes;
    for lane in [0, 1, lanes - 1] {
        let mut weights = vec![0; lanes];
        weights[lane] = 5;
        let at = fixture.prover.lanes.rows.iter().position(|(row, _)| *row > LINK_ROW).unwrap();
        fixture.prover.lanes.rows.insert(at, (LINK_ROW, weights));
        let opening = &fixture.prover.key.opening;
        let registered = commit(&fixture.prover.lanes, lanes, lagrange, WeightVisibility::Secret, opening);
        fixture.prover.key.verifying.weights = registered;
        let forger = Forger::new(&fixture);
        let constant = fixture.prover.backend.powers[0];
        for statement in [forger.statement(), forger.shifted(constant, 5), forger.shifted(constant, -5)] {
            // The lane's cell alone, and with a blinding cell or a first element that would make up for it.
            for outside in [forger.link(0, 0), forger.link(1, -5), forger.link(3, -5)] {
                // What the lane puts on the row is in `omega`, as it has to be, or left out.
                for value in [5, 0] {
                    let extra = Some(Extra { row: LINK_ROW, value, lane });
                    let proof = forger.prove(statement.clone(), forger.link(0, 0), outside.clone(), extra);
                    assert!(!fixture.verifies(&proof), "lane {lane}");
                }
            }
        }
        fixture.prover.lanes.rows.remove(at);
    }
}

/// Statement and proof of a committed tensor, byte by byte: points that are none, the identity, other spellings, other tensors.
#[test]
fn every_byte_of_a_commitment_counts() {
    let fixture = linked();
    let proof = fixture.proof(2);
    for at in 0..64 {
        for (input, output) in [(1, 0), (0, 1)] {
            let mut bad = proof.clone();
            bad.statement.input[at] ^= input;
            bad.statement.output[at] ^= output;
            assert!(!fixture.verifies(&bad), "byte {at}");
        }
    }
    let changes: [&dyn Fn(&mut Statement); 6] = [
        &|s| s.input = vec![0; 64],
        &|s| s.input.push(0),
        &|s| s.input.clear(),
        &|s| std::mem::swap(&mut s.input, &mut s.output),
        &|s| s.output = s.input.clone(),
        &|s| s.input = encode_g1(&(-statement_point(&s.input).unwrap())).to_vec(),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut bad = proof.clone();
        change(&mut bad.statement);
        assert!(!fixture.verifies(&bad), "change {index}");
    }
    let other = fixture.proof(3);
    let end = proof.bytes.len() - 128;
    for (from, to) in [(end - 96, end - 64), (end - 64, end), (end - 96, end)] {
        let mut bad = proof.clone();
        bad.bytes[from..to].copy_from_slice(&other.bytes[from..to]);
        assert!(!fixture.verifies(&bad), "a link proof of another proof");
    }
    // The mask is absorbed before everything else: another proof's does not serve, nor its opposite, nor the commitment that it hides.
    let fixture = masked();
    let (proof, other) = (fixture.proof(2), fixture.proof(3));
    let own: [u8; 64] = proof.bytes[4..68].try_into().unwrap();
    let opposite = encode_g1(&-statement_point(&own).unwrap());
    for mask in [&other.bytes[4..68], &opposite, &proof.statement.input, &[0; 64]] {
        let mut bad = proof.clone();
        bad.bytes[4..68].copy_from_slice(mask);
        assert!(!fixture.verifies(&bad));
    }
}
