import SwiftUI
import TextClassifierApp
import UniformTypeIdentifiers

/// A CSV file: dropped or opened, scored, exported.
struct TableView: View {
    let model: ClassifierModel
    @Bindable var table: TableScoring
    @State private var isOpening = false
    @State private var isExporting = false

    var body: some View {
        VStack(alignment: .leading, spacing: 12) {
            Text(table.stateText).textSelection(.enabled)
            if case .scoring(let done, let all) = table.state {
                ProgressView(value: Double(done), total: Double(all))
            }
            if let columns = table.table?.header {
                Picker("Texts are in", selection: $table.textColumn) {
                    ForEach(columns.indices, id: \.self) { i in Text(columns[i]).tag(i) }
                }
            }
            HStack(spacing: 12) {
                Button("Open…") { isOpening = true }
                if table.isScoring {
                    Button("Stop") { table.cancel() }
                } else {
                    Button("Score") { Task { await model.scoreTable() } }.disabled(table.table == nil)
                }
                Button("Export…") { isExporting = true }.disabled(table.scored == nil)
            }
            Spacer()
        }
        .fileImporter(isPresented: $isOpening, allowedContentTypes: [.commaSeparatedText, .plainText]) { result in
            if case .success(let file) = result { open(file) }
        }
        .fileExporter(
            isPresented: $isExporting, document: table.scored.map { CSVDocument(data: $0.data) },
            contentType: .commaSeparatedText, defaultFilename: "\(table.name)-scored"
        ) { result in table.exported(result) }
    }

    /// The sandbox lends a chosen file for as long as it is asked for.
    private func open(_ file: URL) {
        Task {
            let isLent = file.startAccessingSecurityScopedResource()
            await table.open(file)
            if isLent { file.stopAccessingSecurityScopedResource() }
        }
    }
}

struct CSVDocument: FileDocument {
    static let readableContentTypes: [UTType] = [.commaSeparatedText]
    let data: Data

    init(data: Data) { self.data = data }

    init(configuration: ReadConfiguration) throws {
        data = configuration.file.regularFileContents ?? Data()
    }

    func fileWrapper(configuration: WriteConfiguration) throws -> FileWrapper {
        FileWrapper(regularFileWithContents: data)
    }
}
