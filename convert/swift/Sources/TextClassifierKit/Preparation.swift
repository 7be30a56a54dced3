/// What `TextClassifier.prepare()` found.
public struct Preparation: Sendable, Hashable {
    /// The result on some compute units.
    public struct Attempt: Sendable, Hashable {
        /// The processors that ran the models.
        public let computeUnits: ComputeUnits
        /// The largest error of a probability over the golden texts, infinite if one was not a
        /// number; nil without golden texts.
        public let largestError: Double?
    }

    /// The processors that run the models from now on.
    public let computeUnits: ComputeUnits
    /// The compute units that were tried; the last are those in use.
    public let attempts: [Attempt]
    /// The time for loading and running the models, in milliseconds.
    public let milliseconds: Double

    /// Whether the chosen compute units gave wrong results, and others are in use.
    public var isFallback: Bool { attempts.count > 1 }
}

/// Golden texts that each length runs.
private let textsPerLength = 4

extension TextClassifier {
    /// Loads all models and runs each length, so that no text waits for it: after an installation
    /// or an update of the system, the Neural Engine may need seconds for each model.
    ///
    /// With golden.json it also compares a few results, and moves on to other compute units where
    /// they are off.
    ///
    /// - Throws: `TextClassifierError.wrongResults` if they are off on all.
    @discardableResult
    public func prepare() async throws -> Preparation {
        let start = ContinuousClock.now
        let golden = try goldenTexts()
        if let golden { try requireLabels(of: golden) }
        var attempts: [Preparation.Attempt] = []
        for units in computeUnits.withFallbacks {
            let error = try await largestError(on: units, over: golden)
            attempts.append(Preparation.Attempt(computeUnits: units, largestError: error))
            if let error, let golden, error > golden.tolerance {
                await store.unload(units)
                continue
            }
            computeUnits = units
            let milliseconds = (ContinuousClock.now - start).milliseconds
            return Preparation(
                computeUnits: units, attempts: attempts, milliseconds: milliseconds)
        }
        throw TextClassifierError.wrongResults(
            largestError: attempts.last?.largestError ?? .infinity,
            tolerance: golden?.tolerance ?? 0)
    }

    /// Runs each length with a few golden texts.
    ///
    /// - Returns: the largest error of a probability; nil without golden texts.
    private func largestError(
        on units: ComputeUnits, over golden: Golden?
    ) async throws -> Double? {
        var largest: Double?
        for length in lengths {
            try Task.checkCancellation()
            let texts = golden?.texts(for: length, count: textsPerLength) ?? []
            let rows = texts.isEmpty ? [tokenizer.encode("").inputIDs] : texts.map(\.inputIDs)
            let model = try await store.model(length, on: units)
            do {
                let found = try await model.probabilities(
                    of: rows, length: length, paddingID: tokenizer.paddingID)
                for (text, probabilities) in zip(texts, found) {
                    largest = max(largest ?? 0, text.error(of: probabilities))
                }
            } catch TextClassifierError.notFinite where golden != nil {
                return .infinity
            }
        }
        return largest
    }

    func requireLabels(of golden: Golden) throws {
        guard golden.labels == labels else {
            throw TextClassifierError.differentGolden(labels: golden.labels)
        }
    }
}

extension Golden.Text {
    /// The largest error of probabilities that are in the order of the labels.
    func error(of found: [Double]) -> Double {
        zip(found, probabilities).map { abs($0 - $1) }.max() ?? .infinity
    }
}

extension Duration {
    var milliseconds: Double {
        Double(components.seconds) * 1e3 + Double(components.attoseconds) / 1e15
    }
}
