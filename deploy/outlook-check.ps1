<#
.SYNOPSIS
  Opens a PST in Outlook, counts what Outlook shows, and runs the Inbox Repair Tool on a copy. Prints one JSON object.

.DESCRIPTION
  For a person who has Outlook (classic, for Windows). The PST itself is never changed: Outlook opens files for writing even to read
  them, so two copies are made, one for Outlook and one for SCANPST.EXE. Compare the counts with
  `python -m exporters.pst info --json FILE`; -Expected does it here.

  Exit status: 0 Outlook opened it, the counts agree and the repair tool found nothing; 3 something differs; 1 it could not be tried.

.PARAMETER Path
  The PST.

.PARAMETER Expected
  A file with the output of `python -m exporters.pst info --json FILE`.

.PARAMETER ScanPst
  SCANPST.EXE, where it is not found beside Outlook.

.PARAMETER WorkFolder
  Where the copies go (default: the temporary folder). They are removed unless -KeepCopies.

.EXAMPLE
  python -m exporters.pst info --json mail.pst > expected.json
  powershell -ExecutionPolicy Bypass -File outlook-check.ps1 -Path mail.pst -Expected expected.json > outlook.json
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [string] $Path,
    [string] $Expected,
    [string] $ScanPst,
    [string] $WorkFolder = [System.IO.Path]::GetTempPath(),
    [int] $ScanSeconds = 3600,
    [switch] $KeepCopies
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

function Find-ScanPst {
    if ($ScanPst) { return $ScanPst }
    $roots = @($env:ProgramFiles, ${env:ProgramFiles(x86)}) | Where-Object { $_ }
    foreach ($root in $roots) {
        foreach ($place in 'Microsoft Office\root\Office16', 'Microsoft Office\Office16', 'Microsoft Office\Office15', 'Microsoft Office\Office14') {
            $file = Join-Path (Join-Path $root $place) 'SCANPST.EXE'
            if (Test-Path -LiteralPath $file) { return $file }
        }
    }
    return $null
}

function Get-Prop($accessor, [string] $tag) {
    # Outlook raises an error for a property that is not there: that is an answer here.
    try { return $accessor.GetProperty("http://schemas.microsoft.com/mapi/proptag/0x$tag") } catch { return $null }
}

function Measure-Folder($folder, [string[]] $above, [System.Collections.ArrayList] $found) {
    foreach ($child in $folder.Folders) {
        $path = $above + @([string] $child.Name)
        $classes = @{}
        $unread = 0; $attachments = 0; $attachmentBytes = [int64] 0; $errors = @()
        $items = $child.Items
        $count = [int] $items.Count
        for ($n = 1; $n -le $count; $n++) {
            try {
                $item = $items.Item($n)
                $class = [string] $item.MessageClass
                $classes[$class] = 1 + [int] $classes[$class]
                if ($item.UnRead) { $unread++ }
                # Everything that a reader would look at is read, so that a damaged part shows.
                $null = [string] $item.Subject
                $null = ([string] $item.Body).Length
                foreach ($attachment in $item.Attachments) {
                    $attachments++
                    $attachmentBytes += [int64] $attachment.Size
                }
                [void] [System.Runtime.InteropServices.Marshal]::ReleaseComObject($item)
            } catch {
                $errors += "item ${n}: $($_.Exception.Message)"
            }
        }
        [void] $found.Add([ordered] @{
            path = $path; items = $count; unread = $unread; attachments = $attachments; attachment_bytes = $attachmentBytes
            told = Get-Prop $child.PropertyAccessor '36020003'; classes = $classes; errors = $errors
        })
        Measure-Folder $child $path $found
    }
}

function Invoke-Outlook([string] $copy) {
    $outlook = New-Object -ComObject Outlook.Application
    $session = $outlook.GetNamespace('MAPI')
    $folders = New-Object System.Collections.ArrayList
    $session.AddStoreEx($copy, 3)  # olStoreUnicode
    try {
        $store = $null
        foreach ($candidate in $session.Stores) {
            if ($candidate.FilePath -eq $copy) { $store = $candidate }
        }
        if ($null -eq $store) { throw "Outlook opened the file and does not list it" }
        $root = $store.GetRootFolder()
        Measure-Folder $root @() $folders
        $name = [string] $store.DisplayName
        $session.RemoveStore($root)
    } finally {
        [void] [System.Runtime.InteropServices.Marshal]::ReleaseComObject($session)
    }
    return [ordered] @{ version = [string] $outlook.Version; name = $name; folders = $folders }
}

function Invoke-ScanPst([string] $copy) {
    $tool = Find-ScanPst
    if (-not $tool) { return [ordered] @{ ran = $false; why = 'SCANPST.EXE was not found; name it with -ScanPst' } }
    # -force: no questions. -rescan 1: one more pass. -silent: no window (Microsoft 365 builds; older ones show a window to confirm).
    $arguments = @('-file', "`"$copy`"", '-force', '-silent', '-rescan', '1', '-log', 'replace')
    $process = Start-Process -FilePath $tool -ArgumentList $arguments -PassThru
    if (-not $process.WaitForExit($ScanSeconds * 1000)) {
        $process.Kill()
        return [ordered] @{ ran = $false; why = "SCANPST.EXE was not done after $ScanSeconds seconds" }
    }
    $log = [System.IO.Path]::ChangeExtension($copy, '.log')
    $lines = @()
    if (Test-Path -LiteralPath $log) { $lines = @(Get-Content -LiteralPath $log) }
    $complaints = @($lines | Where-Object { $_ -match '(?i)error|missing|incorrect|invalid|mismatch|doesn''t match|different|but should|!!|\?\?' })
    return [ordered] @{
        ran = $true; exit = $process.ExitCode; log_found = (Test-Path -LiteralPath $log); log_lines = $lines.Count
        complaints = $complaints; changed = ((Get-FileHash -LiteralPath $copy -Algorithm SHA256).Hash -ne $script:hash)
    }
}

function Compare-Expected($seen) {
    $differences = @()
    $expectation = Get-Content -LiteralPath $Expected -Raw -Encoding UTF8 | ConvertFrom-Json
    $wanted = @{}
    foreach ($folder in $expectation.folders) {
        if (-not $folder.internal) { $wanted[($folder.path -join '/')] = $folder }
    }
    foreach ($folder in $seen) {
        $path = $folder.path -join '/'
        if (-not $wanted.ContainsKey($path)) {
            if ($folder.items) { $differences += "${path}: Outlook shows it with $($folder.items) items; not expected" }
            continue
        }
        foreach ($key in 'items', 'unread') {
            if ([int] $wanted[$path].$key -ne [int] $folder.$key) {
                $differences += "${path}: $key $($folder.$key), expected $($wanted[$path].$key)"
            }
        }
        $wanted.Remove($path)
    }
    foreach ($path in $wanted.Keys) { $differences += "${path}: expected, and not shown by Outlook" }
    return , $differences
}

$script:hash = $null
$copies = @()
try {
    $source = (Resolve-Path -LiteralPath $Path).ProviderPath
    $script:hash = (Get-FileHash -LiteralPath $source -Algorithm SHA256).Hash
    $mark = [System.Guid]::NewGuid().ToString('N').Substring(0, 8)
    foreach ($purpose in 'outlook', 'scanpst') {
        $copy = Join-Path $WorkFolder "lastcopy-$mark-$purpose.pst"
        Copy-Item -LiteralPath $source -Destination $copy
        (Get-Item -LiteralPath $copy).IsReadOnly = $false
        $copies += $copy
    }
    $scan = Invoke-ScanPst $copies[1]
    $seen = Invoke-Outlook $copies[0]
    $errors = @($seen.folders | ForEach-Object { $_.errors } | Where-Object { $_ })
    $differences = @()
    if ($Expected) { $differences = Compare-Expected $seen.folders }
    $clean = ($errors.Count -eq 0) -and ($differences.Count -eq 0) -and $scan.ran -and ($scan.complaints.Count -eq 0)
    [ordered] @{
        file = (Split-Path -Leaf $source); bytes = (Get-Item -LiteralPath $source).Length; sha256 = $script:hash.ToLower()
        outlook = $seen; items = [int] ($seen.folders | ForEach-Object { $_.items } | Measure-Object -Sum).Sum
        errors = $errors; differences = $differences; scanpst = $scan; clean = $clean
    } | ConvertTo-Json -Depth 8
    if ($clean) { exit 0 } else { exit 3 }
} catch {
    [ordered] @{ file = $Path; failed = $_.Exception.Message; at = $_.InvocationInfo.ScriptLineNumber } | ConvertTo-Json
    exit 1
} finally {
    if (-not $KeepCopies) {
        foreach ($copy in $copies) {
            foreach ($left in $copy, [System.IO.Path]::ChangeExtension($copy, '.log'), [System.IO.Path]::ChangeExtension($copy, '.bak')) {
                Remove-Item -LiteralPath $left -Force -ErrorAction SilentlyContinue
            }
        }
    }
}
