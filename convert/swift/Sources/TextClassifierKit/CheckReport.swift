/// How a classifier does on the golden texts on this device: what no test elsewhere can tell.
public struct CheckReport: Sendable, Hashable, Codable {
    /// The number of golden texts.
    public let texts: Int
    /// Texts to which the tokenizer gives other ids.
    public let wrongIDs: [String]
    /// Texts with another label, where it is not a tie.
    public let wrongLabels: [String]
    /// The largest error of a probability.
    public let largestError: Double
    /// The largest error that is allowed.
    public let tolerance: Double
    /// The processors that ran the models.
    public let computeUnits: ComputeUnits
    /// The median time of a text by the length of its model, in milliseconds.
    public let milliseconds: [Int: Double]

    /// Whether ids and labels are right and all errors are within the tolerance.
    public var isPassed: Bool {
        wrongIDs.isEmpty && wrongLabels.isEmpty && largestError <= tolerance
    }
}

extension CheckReport: CustomStringConvertible {
    /// The report as text to copy.
    public var description: String {
        let lines = [
            "\(isPassed ? "passed" : "NOT passed"): \(texts) texts on \(computeUnits.rawValue)",
            "different token ids: \(listed(wrongIDs))",
            "different labels: \(listed(wrongLabels))",
            "largest error of a probability: \(largestError), allowed: \(tolerance)",
        ]
        let times = milliseconds.sorted { $0.key < $1.key }.map { length, time in
            "\(length) tokens: \((time * 100).rounded() / 100) ms a text"
        }
        return (lines + times).joined(separator: "\n")
    }

    private func listed(_ texts: [String]) -> String {
        // Escapes tell what looks alike apart.
        let shown = texts.prefix(5).map { text in
            "\"\(text.unicodeScalars.prefix(40).map { $0.escaped(asASCII: true) }.joined())\""
        }
        return texts.isEmpty ? "none" : "\(texts.count), such as \(shown.joined(separator: ", "))"
    }
}

extension TextClassifier {
    /// Classifies the golden texts, one at a time, and compares everything with what the export
    /// says: token ids, labels, probabilities.
    ///
    /// - Parameter golden: golden.json of the models' export.
    public func check(_ golden: Golden) async throws -> CheckReport {
        try requireLabels(of: golden)
        if let missing = golden.lengths.first(where: { !lengths.contains($0) }) {
            throw TextClassifierError.missingLength(missing)
        }
        // The first prediction of each model takes longer.
        for length in lengths { _ = try await store.model(length, on: computeUnits) }
        var found: [Classification] = []
        var times: [Int: [Double]] = [:]
        for text in golden.texts {
            let start = ContinuousClock.now
            found.append(try await classify(text.text))
            times[text.length, default: []].append((ContinuousClock.now - start).milliseconds)
        }
        return report(golden, found, milliseconds: times.mapValues(median))
    }

    private func report(
        _ golden: Golden, _ found: [Classification], milliseconds: [Int: Double]
    ) -> CheckReport {
        let pairs = Array(zip(golden.texts, found))
        let longest = golden.lengths.last
        return CheckReport(
            texts: golden.texts.count,
            wrongIDs: golden.texts.filter { text in
                tokenizer.encode(text.text, maxLength: longest).inputIDs != text.inputIDs
            }.map(\.text),
            wrongLabels: pairs.filter { !$0.isTie && $0.label != $1.label }.map(\.0.text),
            largestError: pairs.map { text, found in
                text.error(of: golden.labels.map { found.probabilities[$0] ?? .infinity })
            }.max() ?? 0,
            tolerance: golden.tolerance, computeUnits: computeUnits, milliseconds: milliseconds)
    }
}

private func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
}
