//! Forged verifier's parts, by someone who knows tau and so can give every point any logarithm. Each names the
//! right `[tau]_2`, hence the right identifier.

use super::*;

const K: u32 = 5;

/// A verifier's part as the logarithms of its points.
#[derive(Clone)]
pub(super) struct Logs {
    tau: Fr,
    /// Of `[tau^(2^j)]_1`, j <= k.
    g1: Vec<Fr>,
    /// Of `[tau^(2^j)]_2`, j < k.
    g2: Vec<Fr>,
    /// Of the Lagrange points at rows n-2, n-1 and 2 mod n.
    rows: Vec<[Fr; 3]>,
}

impl Logs {
    /// Those of an honest part.
    pub(super) fn honest(tau: Fr, k: u32) -> Self {
        let mut logs = Self { tau, g1: vec![tau], g2: vec![tau; k as usize], rows: vec![] };
        logs.continue_from(0);
        logs.fit_rows();
        logs
    }

    /// Makes whatever is after the squares j what honest squaring would make of them.
    fn continue_from(&mut self, j: usize) {
        self.g1.truncate(j + 1);
        for i in j..self.g2.len() {
            let next = self.g1[i] * self.g2[i];
            self.g1.push(next);
            if let Some(log) = self.g2.get_mut(i + 1) {
                *log = next;
            }
        }
    }

    /// Lagrange points that fit tau and what is called `tau^n`, right or not.
    fn fit_rows(&mut self) {
        let rows = |n: u64| [n - 2, n - 1, 2 % n];
        let fit = |k: usize| rows(1 << k).map(|row| lagrange(self.tau, k as u32, row, self.g1[k]));
        self.rows = (1..=self.g2.len()).map(fit).collect();
    }

    /// The first fields of a payload: length, part, digest.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut part = Writer::new();
        part.u32(self.g2.len() as u32).bool(true).string("development");
        for log in &self.g2 {
            part.g2(&(G2Affine::generator() * log).to_affine());
        }
        for log in self.g1.iter().chain(self.rows.as_flattened()) {
            part.g1(&(G1Affine::generator() * log).to_affine());
        }
        with_digest(&part.into_bytes())
    }

    fn decode(&self) -> Result<SrsVerifier, SrsError> {
        let bytes = self.encode();
        SrsVerifier::decode(&mut Reader::new(&bytes[4..bytes.len() - 32]))
    }

    #[track_caller]
    fn refused(&self, what: &str) {
        let error = self.decode().unwrap_err();
        assert!(matches!(error, SrsError::Span), "{what}: {error}");
    }
}

fn tau() -> Fr {
    Fr::random(Seeded(1))
}

fn honest() -> Logs {
    Logs::honest(tau(), K)
}

/// `L_i(tau)`, with `tau_n` in place of `tau^n`.
fn lagrange(tau: Fr, k: u32, i: u64, tau_n: Fr) -> Fr {
    let generator = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
    let root = generator.pow_vartime([i]);
    (tau_n - Fr::ONE) * root * (Fr::from(1 << k) * (tau - root)).invert().unwrap()
}

#[test]
fn honest_part_is_accepted() {
    let logs = honest();
    let payload = srs(K).encode().unwrap();
    assert!(logs.encode() == payload[..body(&payload)]);
    let part = logs.decode().unwrap();
    assert!(part == srs(K).verifier_part());
    for k in 1..=K {
        part.check(k).unwrap();
    }
    assert!(matches!(part.check(0), Err(SrsError::Size { .. })));
    assert!(matches!(part.check(K + 1), Err(SrsError::TooSmall { .. })));
}

/// Guards: the points that let a prover exchange weights.
#[test]
fn points_of_usable_rows_are_refused() {
    for k in 2..=K {
        let at = k as usize - 1;
        let rows = [0, 1, 3].map(|i| lagrange(tau(), k, i, honest().g1[k as usize]));
        for (which, row) in rows.into_iter().enumerate() {
            let mut bad = honest();
            if bad.rows[at][which] != row {
                bad.rows[at][which] = row;
                bad.refused("one row");
            }
        }
        let mut bad = honest();
        bad.rows[at] = rows;
        bad.refused("all rows");
    }
}

#[test]
fn other_lagrange_points_are_refused() {
    for at in 0..K as usize {
        for other in (0..K as usize).filter(|other| *other != at) {
            let mut bad = honest();
            bad.rows[at] = bad.rows[other];
            bad.refused("points of another size");
        }
        let mut bad = honest();
        bad.rows[at].swap(0, 1);
        bad.refused("swapped");
        let mut bad = honest();
        bad.rows[at].rotate_left(1);
        bad.refused("rotated");
        let mut bad = honest();
        bad.rows[at] = bad.rows[at].map(|log| -log);
        bad.refused("negated");
        // Wrong by amounts that cancel if both equations get the same coefficient.
        let mut bad = honest();
        bad.rows[at][0] += Fr::ONE;
        bad.rows[at][1] -= Fr::ONE;
        bad.refused("sum kept");
        bad.rows[at][0] = Fr::ZERO;
        assert!(matches!(bad.decode(), Err(SrsError::Identity { .. })));
    }
}

#[test]
fn single_wrong_squares_are_refused() {
    for j in 0..=K as usize {
        let mut bad = honest();
        bad.g1[j] += Fr::ONE;
        bad.refused("in G1");
        bad.fit_rows();
        bad.refused("in G1, with Lagrange points that fit");
    }
    for j in 1..K as usize {
        let mut bad = honest();
        bad.g2[j] += Fr::ONE;
        bad.refused("in G2");
    }
    let mut bad = honest();
    bad.g2[0] += Fr::ONE;
    bad.refused("[tau]_2 itself");
}

/// Guards: that both groups have the same squares. All else fits, Lagrange points included.
#[test]
fn squares_that_differ_between_the_groups_are_refused() {
    for j in 1..K as usize {
        let mut bad = honest();
        bad.g2[j] += Fr::ONE;
        bad.continue_from(j);
        bad.fit_rows();
        bad.refused("G2");
    }
    let mut bad = honest();
    bad.g1[0] += Fr::ONE;
    bad.continue_from(0);
    bad.fit_rows();
    bad.refused("[tau]_1");
}

/// Guards: that each square is the one of the last. All else fits, Lagrange points included.
#[test]
fn squares_of_another_tau_are_refused() {
    let other = Logs::honest(Fr::random(Seeded(2)), K);
    for j in 1..=K as usize {
        let mut bad = honest();
        bad.g1[j..].copy_from_slice(&other.g1[j..]);
        bad.g2[j..].copy_from_slice(&other.g2[j..]);
        bad.fit_rows();
        bad.refused("from j on");
    }
    let mut bad = other.clone();
    bad.g2[0] = tau();
    bad.refused("all but [tau]_2");
    bad.tau = tau();
    bad.fit_rows();
    bad.refused("all but [tau]_2, with Lagrange points that fit");
}

#[test]
fn identities_and_strangers_are_refused() {
    for j in 0..K as usize {
        let mut bad = honest();
        bad.g2[j] = Fr::ZERO;
        assert!(matches!(bad.decode(), Err(SrsError::Identity { .. })), "G2, {j}");
        let mut bad = honest();
        bad.g1[j] = Fr::ZERO;
        assert!(matches!(bad.decode(), Err(SrsError::Identity { .. })), "G1, {j}");
        let good = honest().encode();
        let at = 4 + 1 + 8 + "development".len() + 128 * j;
        let mut bad = good[4..good.len() - 32].to_vec();
        bad[at..at + 128].copy_from_slice(&artefact::encode_g2(&outside_subgroup()));
        let error = SrsVerifier::decode(&mut Reader::new(&bad)).unwrap_err();
        let SrsError::Artefact(ArtefactError::Field(FieldError::Encoding { source, .. })) = error else {
            panic!("{error}")
        };
        assert_eq!(source, EncodingError::NotInSubgroup);
    }
}

/// Guards: the way of a whole file, whose digests the forger has made to match.
#[test]
fn doctored_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.srs");
    let mut payload = srs(K).encode().unwrap();
    let mut bad = honest();
    bad.rows[K as usize - 1] = [0, 1, 3].map(|i| lagrange(tau(), K, i, bad.g1[K as usize]));
    let part = bad.encode();
    payload[..part.len()].copy_from_slice(&part);
    artefact::write_atomic(&path, Kind::SRS, FORMAT, &payload).unwrap();
    for error in [Srs::read_verifier_part(&path).unwrap_err(), Srs::read(&path).unwrap_err()] {
        assert!(matches!(error.cause(), SrsError::Span), "{error}");
        let message = error.to_string();
        assert!(message.contains("a.srs") && message.contains("get it again from its source"), "{message}");
    }
}
