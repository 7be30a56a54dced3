/// The value as a type; nil if it is another.
extension JSON {
    var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    var flag: Bool? {
        guard case .bool(let flag) = self else { return nil }
        return flag
    }

    var integer: Int? {
        guard case .number(let digits) = self else { return nil }
        return Int(digits)
    }

    var finite: Double? {
        guard case .number(let digits) = self, let number = Double(digits), number.isFinite
        else { return nil }
        return number
    }

    /// The elements of an array, if each of them can be read.
    func elements<Element>(_ read: (JSON) -> Element?) -> [Element]? {
        guard case .array(let values) = self else { return nil }
        let elements = values.compactMap(read)
        return elements.count == values.count ? elements : nil
    }
}
