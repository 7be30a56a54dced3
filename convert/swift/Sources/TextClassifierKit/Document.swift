/// What a classifier says about a text of several sentences.
///
/// The sentences, and everything that summarizes them, are those of mlx-finbert's Python for the
/// same text.
public struct Document: Sendable, Hashable, Codable {
    /// A sentence with its classification.
    public struct Sentence: Sendable, Hashable, Codable {
        /// The text, with single spaces between its words.
        public let text: String
        /// What the classifier says about it.
        public let classification: Classification
    }

    /// The sentences, in the order of the text; empty for a text without words.
    public let sentences: [Sentence]
    /// The label with the largest mean probability; nil without a sentence.
    public let label: String?
    /// The mean of the sentences' probabilities; empty without a sentence.
    public let probabilities: [String: Double]
    /// The number of sentences with each label.
    public let counts: [String: Int]
    /// The mean of the sentences' scores; nil without a sentence or a scale of sentiments.
    public let score: Double?
    /// The sentence with the highest score, where that is above 0.
    public let strongestPositive: Sentence?
    /// The sentence with the lowest score, where that is below 0.
    public let strongestNegative: Sentence?

    init(_ sentences: [Sentence], labels: LabelSet) {
        self.sentences = sentences
        counts = labels.names.reduce(into: [:]) { counts, label in
            counts[label] = sentences.count { $0.classification.label == label }
        }
        let mean = Self.mean(of: sentences, labels: labels)
        label = mean.map(labels.label)
        probabilities = mean.map(labels.named) ?? [:]
        score = mean.flatMap { mean in labels.scale?.score(mean) }
        let highest = Self.first(of: sentences) { $0 > $1 }
        let lowest = Self.first(of: sentences) { $0 < $1 }
        strongestPositive = highest.flatMap { $0.score > 0 ? $0.sentence : nil }
        strongestNegative = lowest.flatMap { $0.score < 0 ? $0.sentence : nil }
    }

    private static func mean(of sentences: [Sentence], labels: LabelSet) -> [Double]? {
        guard !sentences.isEmpty else { return nil }
        let rows = sentences.map { labels.ordered($0.classification.probabilities) }
        return labels.names.indices.map { label in
            rows.reduce(0) { $0 + $1[label] } / Double(rows.count)
        }
    }

    /// The first sentence whose score comes before all others.
    private static func first(
        of sentences: [Sentence], _ comesBefore: (Double, Double) -> Bool
    ) -> (sentence: Sentence, score: Double)? {
        var best: (sentence: Sentence, score: Double)?
        for sentence in sentences {
            guard let score = sentence.classification.score else { continue }
            if best.map({ comesBefore(score, $0.score) }) ?? true { best = (sentence, score) }
        }
        return best
    }
}
