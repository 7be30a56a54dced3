import SwiftUI
import TextClassifierApp

@main
struct SampleApp: App {
    @State private var model = ClassifierModel.shared

    var body: some Scene {
        WindowGroup("Text Classifier") {
            ContentView(model: model).frame(minWidth: 480, minHeight: 440)
        }
        #if !os(iOS)
        MenuBarExtra("Text Classifier", systemImage: "text.magnifyingglass") {
            LiveView(model: model, live: model.live).frame(width: 340).padding()
        }
        .menuBarExtraStyle(.window)
        #endif
    }
}

extension ClassifierModel {
    /// One for the windows, the menu bar and Shortcuts.
    static let shared = ClassifierModel(choices: ModelChoice.bundled)
}
