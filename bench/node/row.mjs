/** A number as callers see it: the fields of shared/web/src/number/row.rs. */
export function row(item, { holdAt }) {
  const managed = item.source === "managed";
  const compliance = managed ? holdAt : undefined;
  const since = [item.billingSuspendedAt, compliance].filter(Boolean).sort()[0];
  const reason = compliance ? "compliance" : since && "billing";
  const [inbound, outbound] = [item.direction !== "outbound", item.direction !== "inbound"];
  const agentReady = Boolean(item.agentId || item.template || !inbound);
  const settled = !managed || item.orderState === "active";
  const [usable, forwarding] = [settled && !since, !managed && inbound];
  const issues = agentReady ? [] : [
    "Inbound calls have nowhere to go: set agentId to one of your agents, or set a dispatchMetadataTemplate.",
  ];
  const { id, organizationId, e164, source, resourceId = null, sipTrunkId = null, sipConnectionId = null } = item;
  const { sipProviderName = null, direction, template, agentId = null, label = null } = item;
  return {
    id, organizationId, e164, source, providerResourceId: resourceId, telnyxPhoneNumberId: resourceId, sipTrunkId,
    sipConnectionInstallationId: sipConnectionId, sipProviderName, direction,
    dispatchMetadataTemplate: template ? JSON.parse(template) : null, agentId, label,
    sms10dlcProfileId: item.smsProfileId ?? null, smsCampaignId: item.smsCampaignId ?? null,
    smsAssignmentStatus: item.smsStatus ?? null, smsAssignmentUpdatedAt: item.smsUpdatedAt ?? null,
    setupStatus: {
      status: since ? "suspended" : issues.length || !settled ? "action_required" : "ready",
      inboundReady: usable && inbound && agentReady, outboundReady: usable && outbound, agentReady,
      forwardingRequired: forwarding, forwardingSipUri: forwarding ? `sip:${e164}@${process.env.SIP_HOST}` : null,
      sipConnectionReady: true, issues,
    },
    nextChargeAt: item.nextChargeAt, lastChargedAt: item.lastChargedAt ?? null, suspendedAt: since ?? null,
    suspensionReason: reason ?? null, billingSuspendedAt: item.billingSuspendedAt ?? null,
    complianceSuspendedAt: compliance ?? null, scheduledReleaseAt: item.scheduledReleaseAt ?? null,
    createdAt: item.createdAt, updatedAt: item.updatedAt,
  };
}
