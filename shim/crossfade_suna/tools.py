"""Which tool a function or class of SUNA belongs to, as data."""

from collections.abc import Mapping
from types import MappingProxyType

# Tool -> names of SUNA's classes and of the functions that its language model calls (N25 and M26).
_NAMES: Mapping[str, tuple[str, ...]] = {
    "files": (
        *("SandboxFilesTool", "create_file", "str_replace", "edit_file", "full_file_rewrite", "delete_file"),
        *("SandboxFileReaderTool", "read_file", "search_file"),
    ),
    "upload": ("SandboxUploadFileTool", "upload_file"),
    "browser": (
        *("BrowserTool", "browser_navigate_to", "browser_act", "browser_extract_content", "browser_screenshot"),
    ),
    "shell": (
        *("SandboxShellTool", "execute_command", "check_command_output", "terminate_command", "list_commands"),
        *("SandboxGitTool", "git_commit"),
    ),
    "expose": ("SandboxExposeTool", "expose_port"),
    "vision": ("SandboxVisionTool", "load_image", "clear_images_from_context"),
    "image": ("SandboxImageEditTool", "image_edit_or_generate", "SandboxCanvasTool"),
    "presentation": (
        *("SandboxPresentationTool", "create_slide", "list_slides", "delete_slide", "validate_slide"),
        *("list_presentations", "delete_presentation", "list_templates", "load_template_design"),
        *("export_to_pptx", "export_to_pdf"),
    ),
    "kb": (
        *("SandboxKbTool", "init_kb", "search_files", "cleanup_kb", "ls_kb", "global_kb_sync"),
        *("global_kb_create_folder", "global_kb_upload_file", "global_kb_delete_item", "global_kb_enable_item"),
        *("global_kb_list_contents",),
    ),
    "web": ("SandboxWebSearchTool", "web_search", "scrape_webpage"),
    "lifecycle": (),
    "other": (),
}

TOOLS: Mapping[str, str] = MappingProxyType({name: tool for tool, names in _NAMES.items() for name in (tool, *names)})


def tool_of(name: str) -> str | None:
    """The tool of a SUNA function or class, or of a tool's own name; None for names nobody listed."""
    return TOOLS.get(name)
