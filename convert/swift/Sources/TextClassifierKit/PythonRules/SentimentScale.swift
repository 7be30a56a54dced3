/// The positions of labels on an evenly spaced scale from -1 to 1, by the same rules as
/// `mlx_finbert.inference.sentiment`.
///
/// Known scales are negative (neutral) positive, `sell hold buy`, the same with degrees
/// (`very negative`, `strong buy`), equally many on each side, and `1 star` to `5 stars`. Case, `_`
/// and `-` do not matter.
package struct SentimentScale: Sendable, Hashable {
    /// In the order of the labels.
    package let positions: [Double]

    /// - Returns: nil if a label, such as `mixed`, is not on the scale.
    package init?(_ labels: [String]) {
        let words = labels.map(Self.words)
        guard let levels = Self.stars(words) ?? Self.degrees(words) else { return nil }
        let ordered = levels.sorted()
        positions = levels.map { level in
            let rank = ordered.firstIndex(of: level) ?? 0
            return -1 + 2 * Double(rank) / Double(levels.count - 1)
        }
    }

    /// The expected position: P(positive) - P(negative) for the labels positive and negative, with
    /// or without neutral.
    ///
    /// - Parameter probabilities: in the order of the labels.
    package func score(_ probabilities: [Double]) -> Double {
        zip(probabilities, positions).reduce(0) { $0 + $1.0 * $1.1 }
    }

    /// The words of a label in lower case; nil for a word that no rule knows.
    private static func words(of label: String) -> [String?] {
        let name = Scalars(label).stripped(where: \.isSpace)
        var words: [String?] = []
        var rest = name
        while true {
            let word = rest.prefix { !isSeparator($0) }
            words.append(word.folded)
            guard word.endIndex < rest.endIndex else { return words }
            rest = rest[word.endIndex...].drop(while: isSeparator)
        }
    }

    private static func isSeparator(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isSpace || scalar == "_" || scalar == "-"
    }

    /// The numbers of `1 star`, `2 stars` and so on, if the labels are the five of them.
    private static func stars(_ words: [[String?]]) -> [Int]? {
        let levels = words.compactMap { word -> Int? in
            let name = word.map { $0 ?? "?" }.joined(separator: " ")
            return (1...5).first { number in
                ["\(number)star", "\(number) star", "\(number)stars", "\(number) stars"]
                    .contains(name)
            }
        }
        return words.count == 5 && Set(levels).count == 5 ? levels : nil
    }

    /// The signed distances from neutral, if they differ and are equally many on each side.
    private static func degrees(_ words: [[String?]]) -> [Int]? {
        let levels = words.compactMap(degree)
        let distinct = Set(levels)
        guard levels.count == words.count, distinct.count == levels.count, distinct.count > 1,
            distinct == Set(levels.map { -$0 })
        else { return nil }
        return levels
    }

    private static func degree(_ words: [String?]) -> Int? {
        guard words.count <= 2, let last = words.last, let name = last,
            let side = PythonTables.sides[PythonTables.synonyms[name] ?? name]
        else { return nil }
        guard words.count == 2 else { return 2 * side }
        guard side != 0, let degree = words[0].flatMap({ PythonTables.degrees[$0] }) else {
            return nil
        }
        return side * degree
    }
}
