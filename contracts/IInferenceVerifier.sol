// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.20 <0.9.0;

/// @notice One claim: the model `modelId` maps `input` to `output`, proved for `context`.
/// @param modelId Names program and weights; see `ModelKeys.storeKey`.
/// @param input The input tensor's bytes: elements of 1 or 2 bytes, big-endian, row-major; two's complement if the tensor's range
/// has negative numbers, else unsigned. If the model's input is committed, the 64 bytes of its commitment's point; if it is private, none.
/// @param output The output tensor's bytes, likewise.
/// @param context 32 bytes that the proof was made for. Anyone may replay a proof with its context, so bind it to chain,
/// contract, request and beneficiary; `InferenceContext` does.
/// @param proof The proof's bytes, starting with the four that name its verifier.
struct Inference {
    bytes32 modelId;
    bytes input;
    bytes output;
    bytes32 context;
    bytes proof;
}

/// @title Verifies proofs that a committed neural network maps an input to an output
/// @notice One contract serves every model of a machine shape. It keeps no state but the keys of models, which nobody can change.
interface IInferenceVerifier {
    /// @notice No key is stored for this model; `storeKey` stores one.
    error ModelNotStored(bytes32 modelId);
    /// @notice The proof is for another shape or version of the machine.
    error WrongVerifier(bytes4 expected, bytes4 got);
    /// @notice A proof for this model has `expected` bytes.
    error InvalidProofLength(uint256 expected, uint256 got);
    /// @notice The input tensor of this model has `expected` bytes.
    error InvalidInputLength(uint256 expected, uint256 got);
    /// @notice The output tensor of this model has `expected` bytes.
    error InvalidOutputLength(uint256 expected, uint256 got);
    /// @notice The point at `index` is not on the curve, not reduced, or at infinity: counted from 0, the proof's as in the specification, then
    /// the span proof's, the link proof's, the mask, the committed tensors.
    error InvalidPoint(uint256 index);
    /// @notice The proof's scalar at `index`, counted from 0, is not below the group order.
    error InvalidScalar(uint256 index);
    /// @notice Everything is well-formed, and the proof does not prove the claim.
    error InvalidProof();
    /// @notice The call could not be finished with the gas it was given.
    error OutOfGas();
    /// @notice A batch without a claim says nothing.
    error EmptyBatch();

    /// @notice Returns if the claim is proved, else reverts with one of the errors above.
    /// @dev The parameters are those of `Inference`. Gas: docs/evm.md.
    function verify(bytes32 modelId, bytes calldata input, bytes calldata output, bytes32 context, bytes calldata proof)
        external
        view;

    /// @notice Whether `verify` accepts the same claim.
    /// @dev Reverts only if gas runs out or the calldata does not decode, so that a caller who is stingy with gas cannot
    /// make a true claim look false.
    function tryVerify(
        bytes32 modelId,
        bytes calldata input,
        bytes calldata output,
        bytes32 context,
        bytes calldata proof
    ) external view returns (bool);

    /// @notice Returns if every claim is proved, else reverts. One pairing check for all; claims of the same model
    /// side by side share the work on its key.
    function verifyBatch(Inference[] calldata inferences) external view;

    /// @notice Names what a commitment to a model's input or output says besides its point: SRS, shape, range, scale.
    /// @dev Zero if that tensor is not committed. Reverts if the model's key is not stored.
    /// Compare `InferenceTensor.id` of it and a claim's 64 bytes with what the tensor's owner published: the point alone does not say
    /// how its integers are to be read.
    /// @param modelId The model.
    /// @param ofOutput Whether it is about the output.
    /// @return header `keccak256("inferproof/tensor-header/1" | srsId | tensor)`.
    function tensorHeader(bytes32 modelId, bool ofOutput) external view returns (bytes32 header);

    /// @notice First four bytes of every proof for this verifier.
    function proofTag() external view returns (bytes4);

    /// @notice Names the structured reference string: Keccak-256 of a domain, both generators and `[tau]_2`.
    function srsId() external view returns (bytes32);

    /// @notice Keccak-256 of the constructor data, which comes from an SRS. `srsId` covers `[tau]_2` only: compare this
    /// with what `inferproof contract export --srs` prints for the same file.
    function srsDigest() external view returns (bytes32);

    /// @notice Whether the SRS was made for development: then proofs can be forged.
    function insecure() external view returns (bool);
}
