"""What the scenarios of git give."""

from typing import Any

from tests.conformance.daytona.expected import Refused

NO_REPO, NO_BRANCH = Refused(404, "DaytonaGitRepoNotFoundError"), Refused(404, "DaytonaGitBranchNotFoundError")
BAD = Refused(400)
BODY = "Ann ann@example.org Ann\nA message\n\nwith a body"


def clean(branch: str = "main", ahead: int = 0, *, published: bool = True) -> dict[str, Any]:
    return {"branch": branch, "files": [], "counts": [ahead, 0, published]}


RESULTS: dict[str, Any] = {
    "git_cloned": {"status": clean(), "branches": ["main"], "files": [".git", "one.txt", "two.txt"]},
    "git_branch_cloned": clean("side"),
    "git_clone_refused": [Refused(409), NO_REPO, NO_BRANCH, Refused(502, "DaytonaGitTransportFailedError")],
    "git_status_of_changes": {
        "branch": "main",
        "files": [
            ["deep/new ä.txt", "Untracked", "Untracked", ""],
            ["one.txt", "Unmodified", "Modified", ""],
            ["staged.txt", "Added", "Unmodified", ""],
            ["two.txt", "Unmodified", "Deleted", ""],
        ],
        "counts": [0, 0, True],
    },
    "git_committed": {"same": True, "shown": BODY},
    "git_nothing_to_commit": BAD,
    "git_empty_commit": clean(ahead=1),
    "git_add_missing": BAD,
    "git_branches_made_and_left": {
        "made": clean("topic", published=False),
        "again": Refused(409, "DaytonaGitBranchExistsError"),
        "gone": NO_BRANCH,
        "unknown": NO_BRANCH,
        "left": clean(),
    },
    "git_checkout_with_changes": Refused(409, "DaytonaGitDirtyWorktreeError"),
    "git_pushed_and_pulled": [clean(ahead=1), clean(), "pushed"],
    "git_histories_part": [Refused(409, "DaytonaGitPushRejectedError"), Refused(409, "DaytonaGitMergeConflictError")],
    "git_repository_made": [clean("trunk", published=False), "trunk", False, Refused(409)],
    "git_remotes_kept": [
        {"origin": "file:///workspace/git/remote.git", "second": "<url>/x.git"},
        BAD,
        "file:///workspace/git/remote.git",
        None,
        "second/side",
    ],
    "git_settings_kept": [None, "Ann", "Local", BAD],
    "git_credentials_kept": ["store", "<url>"],
    "git_reset_and_restored": [
        {"branch": "main", "files": [["one.txt", "Unmodified", "Modified", ""]], "counts": [0, 0, True]},
        clean(),
        "pushed\nsecond\nfirst",
        NO_BRANCH,
        BAD,
    ],
    "git_pushed_to_a_branch": "more\nmine\ntheirs\npushed\nsecond\nfirst",
}

# Where the eras differ: SDKs before 0.180 never send the commit that is to be cloned, and have fewer calls.
BY_ERA: dict[str, dict[str, Any]] = {
    "git_commit_cloned": {
        "0.21": [clean(), "second\nfirst"],
        "0.115": [clean(), "second\nfirst"],
        "newest": [clean("HEAD", published=False), "first"],
    },
    "git_without_repository": {"0.21": [NO_REPO] * 6, "0.115": [NO_REPO] * 9, "newest": [NO_REPO] * 9},
}
