#if canImport(CoreAI)
    import CoreAI
    import Foundation

    /// A Core AI asset in memory, with a function for each length.
    ///
    /// A function has its own buffers, so it is loaded when a row first needs it.
    @available(macOS 27, iOS 27, tvOS 27, watchOS 27, visionOS 27, *)
    actor CoreAIModel: LoadedModel {
        nonisolated let metadata: ModelMetadata
        nonisolated let length: Int
        private let url: URL
        private let model: AIModel
        private var functions: [Int: InferenceFunction] = [:]

        /// - Throws: any error of Core AI, and `TextClassifierError` for an asset without the
        ///   metadata of an export.
        init(contentsOf url: URL, on computeUnits: ComputeUnits) async throws {
            let asset = try AIModelAsset(contentsOf: url)
            // Before the model: specializing one for the device can take seconds.
            let metadata = try ModelMetadata(asset.metadata.texts)
            guard metadata.isAsset, let shortest = metadata.lengths.first else {
                throw TextClassifierError.unreadableMetadata(key: ModelMetadata.key("options"))
            }
            model = try await AIModel(contentsOf: url, options: computeUnits.forCoreAI)
            self.url = url
            self.metadata = metadata
            length = shortest
        }

        func probabilities(
            of rows: [[Int32]], length: Int, paddingID: Int32
        ) async throws -> [[Double]] {
            let function = try function(for: length)
            var found: [[Double]] = []
            for row in rows {
                let ids = padded(row, to: length, with: paddingID)
                found.append(try checked(await run(function, ids, mask(of: row, to: length))))
            }
            return found
        }

        private func run(
            _ function: InferenceFunction, _ ids: [Int32], _ mask: [Int32]
        ) async throws -> [Double] {
            do {
                return try await function.probabilities(of: ids, mask)
            } catch let error as CancellationError {
                throw error
            } catch {
                throw TextClassifierError.failedPrediction(reason: error.localizedDescription)
            }
        }

        private func function(for length: Int) throws -> InferenceFunction {
            let name = functionName(length)
            guard let function = try functions[length] ?? loaded(name) else {
                throw TextClassifierError.unreadableModel(
                    url, reason: "it has no function \(name)")
            }
            functions[length] = function
            return function
        }

        private func loaded(_ name: String) throws -> InferenceFunction? {
            do {
                return try model.loadFunction(named: name)
            } catch {
                throw TextClassifierError.unreadableModel(url, reason: error.localizedDescription)
            }
        }
    }

    @available(macOS 27, iOS 27, tvOS 27, watchOS 27, visionOS 27, *)
    extension InferenceFunction {
        /// The probabilities of a row; none where the function has no such output.
        ///
        /// It runs outside of the actor, into which `run` could not return what is not Sendable.
        fileprivate func probabilities(of ids: [Int32], _ mask: [Int32]) async throws -> [Double] {
            let shape = [1, ids.count]
            var outputs = try await run(inputs: [
                idsName: NDArray(scalars: ids, shape: shape),
                maskName: NDArray(scalars: mask, shape: shape),
            ])
            guard let array = outputs.remove(probabilitiesName)?.ndArray,
                array.scalarType == .float32, array.shape.count == 2, array.shape[0] == 1
            else { return [] }
            let count = array.shape[1]
            // What `run` returns is contiguous.
            return array.view(as: Float.self).withUnsafePointer { values, _, _ in
                (0..<count).map { Double(values[$0]) }
            }
        }
    }

    @available(macOS 27, iOS 27, tvOS 27, watchOS 27, visionOS 27, *)
    extension AIModelAsset.Metadata {
        /// The values that are texts, by key.
        fileprivate var texts: [String: String] {
            creatorDefinedMetadata.compactMapValues { value in
                if case .string(let text) = value { text } else { nil }
            }
        }
    }

    @available(macOS 27, iOS 27, tvOS 27, watchOS 27, visionOS 27, *)
    extension ComputeUnits {
        /// Core AI can be kept to the CPU; of the others it can only be told which to prefer.
        fileprivate var forCoreAI: SpecializationOptions {
            switch self {
            case .all: .default
            case .cpuAndNeuralEngine:
                SpecializationOptions(preferredComputeUnitKind: .neuralEngine)
            case .cpuAndGPU: SpecializationOptions(preferredComputeUnitKind: .gpu)
            case .cpuOnly: .cpuOnly
            }
        }
    }
#endif
