"""A number as callers see it: the fields of shared/web/src/number/row.rs."""

import json
import os

NO_AGENT = "Inbound calls have nowhere to go: set agentId to one of your agents, or set a dispatchMetadataTemplate."


def row(item, organization):
    managed = item["source"] == "managed"
    billing, compliance = item.get("billingSuspendedAt"), organization.get("holdAt") if managed else None
    since = min((at for at in (billing, compliance) if at), default=None)
    template, resource = item.get("template"), item.get("resourceId")
    return {
        "id": item["id"],
        "organizationId": item["organizationId"],
        "e164": item["e164"],
        "source": item["source"],
        "providerResourceId": resource,
        "telnyxPhoneNumberId": resource,
        "sipTrunkId": item.get("sipTrunkId"),
        "sipConnectionInstallationId": item.get("sipConnectionId"),
        "sipProviderName": item.get("sipProviderName"),
        "direction": item["direction"],
        "dispatchMetadataTemplate": json.loads(template) if template else None,
        "agentId": item.get("agentId"),
        "label": item.get("label"),
        "sms10dlcProfileId": item.get("smsProfileId"),
        "smsCampaignId": item.get("smsCampaignId"),
        "smsAssignmentStatus": item.get("smsStatus"),
        "smsAssignmentUpdatedAt": item.get("smsUpdatedAt"),
        "setupStatus": setup_status(item, managed, since),
        "nextChargeAt": item["nextChargeAt"],
        "lastChargedAt": item.get("lastChargedAt"),
        "suspendedAt": since,
        "suspensionReason": "compliance" if compliance else "billing" if billing else None,
        "billingSuspendedAt": billing,
        "complianceSuspendedAt": compliance,
        "scheduledReleaseAt": item.get("scheduledReleaseAt"),
        "createdAt": item["createdAt"],
        "updatedAt": item["updatedAt"],
    }


def setup_status(item, managed, since):
    inbound, outbound = item["direction"] != "outbound", item["direction"] != "inbound"
    agent_ready = bool(item.get("agentId") or item.get("template")) or not inbound
    settled = not managed or item.get("orderState") == "active"
    usable, forwarding = settled and since is None, not managed and inbound
    ready = agent_ready and settled
    return {
        "status": "suspended" if since else "ready" if ready else "action_required",
        "inboundReady": usable and inbound and agent_ready,
        "outboundReady": usable and outbound,
        "agentReady": agent_ready,
        "forwardingRequired": forwarding,
        "forwardingSipUri": f"sip:{item['e164']}@{os.environ['SIP_HOST']}" if forwarding else None,
        "sipConnectionReady": True,
        "issues": [] if agent_ready else [NO_AGENT],
    }
