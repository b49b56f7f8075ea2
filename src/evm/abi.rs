//! The contracts' interfaces, as the ABI sees them; documented there. A test compares them with the committed artefacts.

use alloy_sol_types::sol;

sol! {
    #[derive(Debug, PartialEq, Eq)]
    struct Inference {
        bytes32 modelId;
        bytes input;
        bytes output;
        bytes32 context;
        bytes proof;
    }

    #[derive(Debug, PartialEq, Eq)]
    interface ChainVerifier {
        error EmptyChain();
        error InvalidChainLength(uint256 segments, uint256 boundaries, uint256 proofs);
        error NoVerifier(address verifier);
        error OtherChain(bytes32 expected, bytes32 got);
        error UnfitSegments(uint256 index);

        constructor(address verifier_);

        function verifyChain(bytes32 chainId, bytes32[] calldata models, bytes calldata input, bytes[] calldata boundaries, bytes calldata output, bytes32 context, bytes[] calldata proofs) external view;
        function chainIdOf(bytes32[] calldata models) external pure returns (bytes32);
        function verifier() external view returns (address);
    }

    #[derive(Debug, PartialEq, Eq)]
    interface InferenceVerifier {
        error ModelNotStored(bytes32 modelId);
        error WrongVerifier(bytes4 expected, bytes4 got);
        error InvalidProofLength(uint256 expected, uint256 got);
        error InvalidInputLength(uint256 expected, uint256 got);
        error InvalidOutputLength(uint256 expected, uint256 got);
        error InvalidPoint(uint256 index);
        error InvalidScalar(uint256 index);
        error InvalidProof();
        error EmptyBatch();
        error OutOfGas();
        error MalformedKey();
        error OtherMachine();
        error OtherSrs(bytes32 expected, bytes32 got);
        error KeyOutOfBounds();
        error InvalidKeyPoint(uint256 index);
        error InvalidSrs();

        event KeyStored(bytes32 indexed modelId, address pointer);

        constructor(bytes memory srs);

        function verify(bytes32 modelId, bytes calldata input, bytes calldata output, bytes32 context, bytes calldata proof) external view;
        function tryVerify(bytes32 modelId, bytes calldata input, bytes calldata output, bytes32 context, bytes calldata proof) external view returns (bool);
        function verifyBatch(Inference[] calldata inferences) external view;
        function storeKey(bytes calldata key) external returns (bytes32 modelId);
        function keyPointer(bytes32 modelId) external view returns (address);
        function tensorHeader(bytes32 modelId, bool ofOutput) external view returns (bytes32 header);
        function proofTag() external view returns (bytes4);
        function srsId() external view returns (bytes32);
        function srsDigest() external view returns (bytes32);
        function insecure() external view returns (bool);
    }
}
