/**
 * Pare prunes LLaMA-like language models after training, block by block, on WebGPU or WASM. What the commands are made
 * of is here for other programs too.
 *
 * Prune half of a model's weights with Wanda, and see what it cost:
 * ```ts
 * import {
 *   calibrationSequences, createWriter, evaluate, evaluationWindows, findMethod, loadTokenizer, makeRequest,
 *   openBackend, openCheckpoint, prune,
 * } from "./mod.ts";
 *
 * const out = await Deno.makeTempDir();
 * await using backend = await openBackend("wasm");
 * await using checkpoint = await openCheckpoint("tests/fixtures/models/Austen-700K");
 * const tokenizer = () => loadTokenizer((file) => checkpoint.readText(file), checkpoint.path);
 * const text = { tokenizer, vocabulary: 1024, seqlen: 256 };
 *
 * const method = findMethod("wanda");
 * await using writer = await createWriter(checkpoint, `${out}/pruned`);
 * await prune({
 *   checkpoint, backend, method,
 *   request: makeRequest(method, { sparsity: 0.5 }),
 *   calibration: await calibrationSequences("sample", { ...text, samples: 8 }),
 *   write: (name, bytes) => writer.write(name, bytes),
 * });
 * await writer.finish();
 *
 * const windows = await evaluationWindows("tests/fixtures/data/austen-heldout.txt", { ...text, windows: 8 });
 * await using pruned = await openCheckpoint(`${out}/pruned`);
 * const { perplexity } = await evaluate(windows, { checkpoint: pruned, backend });
 * console.log(perplexity); // about 30; the dense model has 18
 * await Deno.remove(out, { recursive: true });
 * ```
 * @module
 */
export { PareError } from "./errors.ts";
export * from "./backend/backend.ts";
export { type BackendChoice, type BackendOptions, openBackend } from "./backend/open.ts";
export type { Checkpoint, Fingerprint, HeldPacked, StoredTensor, TensorInfo } from "./checkpoint/checkpoint.ts";
export type { ConnectionOptions, HubOptions, HubProgress } from "./checkpoint/hub.ts";
export { locateCheckpoint, openCheckpoint, type OpenOptions } from "./checkpoint/open.ts";
export type { RangeOptions } from "./checkpoint/remote/client.ts";
export type { Sink, SinkOptions, SunkFile, Target } from "./checkpoint/remote/sink.ts";
export { openTarget, stagingOf } from "./checkpoint/remote/target.ts";
export { isRemote, type LocateOptions, locateRemote } from "./checkpoint/remote/locate.ts";
export type { Credentials, FileVersion, RemoteFile, RemoteModel } from "./checkpoint/remote/model.ts";
export {
  type DenseMatrix,
  packedBytesOf,
  type PackedValues,
  packMatrix,
  type QuantizedValues,
} from "./checkpoint/packed/pack.ts";
export type { HeldShape, Sized } from "./checkpoint/packed/format.ts";
export { type Choose, type PackOptions, type PackPlan, planPacking } from "./checkpoint/packed/write.ts";
export {
  checkPlace,
  firstMissing,
  type Place,
  replacedBy,
  reserve,
  type Room,
  sweep,
  tryPlace,
  workshopOf,
} from "./checkpoint/place.ts";
export { release } from "./checkpoint/release.ts";
export type { MemoryTensor } from "./checkpoint/tensor_file.ts";
export type { Step } from "./checkpoint/journal.ts";
export type { Source } from "./checkpoint/source.ts";
export {
  type CheckpointWriter,
  createWriter,
  type Texts,
  type WriterOptions,
  type WrittenFile,
} from "./checkpoint/writer.ts";
export type { CacheDtype, CacheSize } from "./generate/cache.ts";
export { type Asked, Context, type ReadOptions } from "./generate/context.ts";
export { readEndTokens } from "./generate/end_tokens.ts";
export { type Finish, generate, type GenerateOptions, type Token } from "./generate/generate.ts";
export { type PackedKind, ResidentModel, type ResidentOptions } from "./generate/resident.ts";
export { checkSampling, GREEDY, type Sampling } from "./generate/sampler.ts";
export { type SelfWrittenOptions, startTokenOf, writeItself } from "./generate/self.ts";
export { TextStream } from "./generate/text_stream.ts";
export { readTongue, type Tongue } from "./generate/tongue.ts";
export * from "./method/mod.ts";
export { linearsOf, tensorNames, type TensorSpec, transposedTensors } from "./model/layers.ts";
export { type Held, parseConfig, readSpec } from "./model/read.ts";
export type * from "./model/spec.ts";
export type { PackedSource, TensorSource } from "./model/block.ts";
export type { ParameterGradients } from "./model/tape.ts";
export type { Mixture, Remembered, WalkBatch, WalkOperations } from "./model/walk.ts";
export type { Route } from "./model/route.ts";
export type { Rope, RopeScaling } from "./model/rope.ts";
export { allocate, mapRequests, type SparsityMap } from "./stream/allocation.ts";
export type { Distribution, LinearDistribution } from "./stream/distribution.ts";
export { evaluate, type Evaluation } from "./stream/evaluate.ts";
export { type BlockReconstruction, reconstructionRate, type ReconstructOptions } from "./stream/reconstruct.ts";
export { goesToFile, type SpoolOptions } from "./stream/hidden.ts";
export {
  type Likelihood,
  LikelihoodList,
  type LikelihoodRequests,
  type Likelihoods,
  logLikelihoods,
} from "./stream/likelihood.ts";
export { measure, type Measured, type Measures } from "./stream/measure.ts";
export { logits } from "./stream/logits.ts";
export { type BlockStatisticOptions, blockStatistics } from "./stream/blocks.ts";
export { checkPermutable } from "./stream/permute.ts";
export { type Plan, type PlanOptions, planPrune } from "./stream/plan.ts";
export type { OnProgress, Phase, Progress } from "./stream/progress.ts";
export type { Bucket } from "./checkpoint/remote/s3.ts";
export { meetingBucket, meetingFolder, type MeetingPlace } from "./stream/meeting.ts";
export { DEFAULT_PATIENCE_S, Exchange, type ExchangeOptions, type Ranks } from "./stream/exchange.ts";
export type { ShardOptions } from "./stream/shards.ts";
export type { Observation, ObservationOptions } from "./stream/observation.ts";
export { type Finished, observeFirst, prune, type PruneOptions } from "./stream/prune.ts";
export type { LinearReport } from "./stream/results.ts";
export type { StreamOptions } from "./stream/stream.ts";
export { chooseTargets, type Requests, type TargetOptions, type Targets } from "./stream/target.ts";
export {
  type Answered,
  type AnswerList,
  type Answers,
  type Encoded,
  encodeExam,
  type EncodeOptions,
  type Exam,
  type ExamOptions,
  filesOf,
  isOwnTask,
  logged,
  readExam,
  scoreExam,
} from "./task/exam.ts";
export { fetchSet } from "./task/fetch.ts";
export { AnswerKey, type Key } from "./task/key.ts";
export { findTask, type Group as TaskGroup, GROUPS, TASK_NAMES } from "./task/mod.ts";
export { ownTask } from "./task/own.ts";
export { ask, type Asking, type Part, partsOf, type Question, type Questions } from "./task/questions.ts";
export {
  type Answer,
  type Figure,
  groupResult,
  type Result,
  resultOf,
  scoreDocument,
  type Scores,
} from "./task/results.ts";
export { heldRows, readRows, type Rows } from "./task/rows.ts";
export type { Document, Examples, HubSet, Metric, Request as TaskRequest, Task } from "./task/task.ts";
export { encodeRequests, type Files as TokenizerFiles, type Pair, type Prefix, readPrefix } from "./task/tokens.ts";
export { type Batch, rectangle } from "./text/batch.ts";
export {
  type Calibration,
  type CalibrationOptions,
  calibrationSequences,
  DEFAULT_SEQLEN,
  type SelfWritten,
} from "./text/calibration.ts";
export { type ChatTemplate, loadChatTemplate, type Message } from "./text/chat.ts";
export type { Split } from "./text/datasets.ts";
export { fetchCorpus, type FetchOptions, type LocalCorpus } from "./text/fetch.ts";
export type { TokenMatrix } from "./text/token_file.ts";
export { Continuations, type Continued } from "./text/continuations.ts";
export type { Integers } from "./text/growing.ts";
export { loadTokenizer, type Tokenizer } from "./text/tokenizer.ts";
export { WholeModel, type WholeModelOptions } from "./tune/full.ts";
export { type Adapter, LoraAdapters, type LoraOptions } from "./tune/lora.ts";
export { MASK_FILE, maskTensors } from "./tune/mask_file.ts";
export { type Precision, precisionFor, type TrainingSize } from "./tune/memory.ts";
export { type MaskOptions, type Masks, readMasks } from "./tune/masks.ts";
export type { OptimizerOptions } from "./tune/optimizer.ts";
export type { Numbers, Parameter, ParameterDtype } from "./tune/parameter.ts";
export { ADAPTER_CONFIG, ADAPTER_MODEL, type PeftAbout, peftConfig, peftTensors, readPeft } from "./tune/peft.ts";
export type { Decay, RateSchedule } from "./tune/rate.ts";
export { restoreState, stateTensors } from "./tune/state.ts";
export { tunedLinears } from "./tune/targets.ts";
export type { Trainee } from "./tune/trainee.ts";
export {
  type EvaluationRecord,
  type Progress as TuneProgress,
  type StepRecord,
  tune,
  type Tuned,
  type TuneOptions,
  type TuneState,
  windowsAt,
} from "./tune/tune.ts";
export { type WriteOptions, writeTuned } from "./tune/write.ts";
export { evaluationWindows, type WindowOptions, type Windows } from "./text/windows.ts";
