/// Scalars of a text, or of a part of it.
///
/// The rules here work on scalars, as Python's `str` does: comparisons of `Character` would take
/// canonically equivalent texts as equal, and their properties change with the operating system.
typealias Scalars = ArraySlice<Unicode.Scalar>

extension Scalars {
    init(_ text: String) {
        self = ArraySlice(text.unicodeScalars)
    }

    /// `str.strip`.
    func stripped(where isMark: (Unicode.Scalar) -> Bool) -> Scalars {
        strippedAtStart(where: isMark).strippedAtEnd(where: isMark)
    }

    /// `str.lstrip`.
    func strippedAtStart(where isMark: (Unicode.Scalar) -> Bool) -> Scalars {
        drop(while: isMark)
    }

    /// `str.rstrip`.
    func strippedAtEnd(where isMark: (Unicode.Scalar) -> Bool) -> Scalars {
        guard let last = lastIndex(where: { !isMark($0) }) else { return prefix(0) }
        return self[...last]
    }

    /// `str.casefold` where the result is ASCII; nil for any other.
    ///
    /// It is compared with lists of ASCII words, which no other result is in.
    var folded: String? {
        var folded = ""
        for scalar in self {
            if let ascii = PythonTables.folded[scalar.value] {
                folded += ascii
            } else if scalar.isASCII {
                folded.unicodeScalars.append(scalar)
            } else {
                return nil
            }
        }
        return folded
    }
}

extension String {
    init(_ scalars: Scalars) {
        self.init(String.UnicodeScalarView(scalars))
    }
}

extension Unicode.Scalar {
    var isUpper: Bool { isIn(PythonTables.upper) }
    var isLower: Bool { isIn(PythonTables.lower) }
    var isAlphanumeric: Bool { isIn(PythonTables.alphanumeric) }
    var isDigit: Bool { isIn(PythonTables.digit) }
    var isDecimal: Bool { isIn(PythonTables.decimal) }
    var isSpace: Bool { isIn(PythonTables.space) }
    var isLineEnd: Bool { isIn(PythonTables.lineEnd) }
    /// `[^\W\d_]` of `re`.
    var isLetter: Bool { isAlphanumeric && !isDecimal }

    /// Whether the scalar is in ranges: first, last, first, last, ...
    private func isIn(_ ranges: [UInt32]) -> Bool {
        var (low, high) = (0, ranges.count / 2)
        while low < high {
            let middle = (low + high) / 2
            if ranges[2 * middle + 1] < value { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count / 2 && ranges[2 * low] <= value
    }
}
